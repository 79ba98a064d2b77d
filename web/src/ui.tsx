import type { ComponentChildren, JSX } from "preact";
import { ApiError, type ApiErrorBody } from "./api";
import { pair, stateText } from "./i18n";

/** A state is a mark, a word and a colour: never colour alone. */
export function State({ of }: { of: string }): JSX.Element {
  const s = stateText(of);
  return (
    <span class={`state state-${of}`}>
      <span class="mark" aria-hidden="true">
        {s.mark}
      </span>
      {s.text}
    </span>
  );
}

export function Fault({ error }: { error: unknown }): JSX.Element | null {
  if (!error) return null;
  const text = error instanceof ApiError ? faultText(error.body) : String(error instanceof Error ? error.message : error);
  return (
    <p class="fault" role="alert">
      {text}
    </p>
  );
}

export function faultText(e: ApiErrorBody): string {
  const frames = (e.while ?? []).map(pair).filter(Boolean);
  return pair(e.message) + (frames.length ? ` (${frames.join("; ")})` : "");
}

export function Field(p: {
  label: string;
  type: string;
  value: string;
  name: string;
  autocomplete: string;
  onValue: (v: string) => void;
}): JSX.Element {
  return (
    <label class="field">
      <span>{p.label}</span>
      <input
        type={p.type}
        name={p.name}
        value={p.value}
        autocomplete={p.autocomplete as never}
        required
        onInput={(e) => p.onValue(e.currentTarget.value)}
      />
    </label>
  );
}

export function Panel({ title, children, id }: { title: string; children: ComponentChildren; id: string }): JSX.Element {
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}
