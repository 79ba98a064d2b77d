// The small parts every screen is made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, type ErrorBody } from "../lib/api";
import { date, dateTime, pair, relative, stateText, t } from "../lib/i18n";
import { useMinute } from "../lib/hooks";
import { A } from "../lib/router";
import { Icon } from "./icons";

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

export function faultText(e: ErrorBody): string {
  const frames = (e.while ?? []).map(pair).filter(Boolean);
  return pair(e.message) + (frames.length ? t("in_brackets", frames.join(t("between_frames"))) : "");
}

export function errorText(error: unknown): string {
  if (error instanceof ApiError) return faultText(error.body);
  return error instanceof Error ? error.message : String(error);
}

/** What happened, and what to do about it. */
export function Fault({ error, retry }: { error: unknown; retry?: () => void }): JSX.Element | null {
  if (!error) return null;
  const status = error instanceof ApiError ? error.status : -1;
  const remote = error instanceof ApiError ? error.body.remote : null;
  return (
    <div class="fault" role="alert">
      <p>{errorText(error)}</p>
      {remote && <p class="small mono">{remote}</p>}
      {status === 0 && <p class="small">{t("hint_net")}</p>}
      {status >= 500 && <p class="small">{t("hint_500")}</p>}
      {retry && status !== 403 && (
        <button class="quiet" onClick={retry}>
          {t("try_again")}
        </button>
      )}
    </div>
  );
}

export function Panel(p: { title: string; id: string; children: ComponentChildren; side?: ComponentChildren; class?: string; onClose?: () => void }): JSX.Element {
  return (
    <section class={`panel ${p.class ?? ""}`} aria-labelledby={p.id}>
      <div class="panel-head">
        <h2 id={p.id}>{p.title}</h2>
        {(p.side || p.onClose) && (
          <div class="panel-side">
            {p.side}
            {p.onClose && (
              <button class="quiet" aria-label={t("close")} onClick={p.onClose}>
                ✕
              </button>
            )}
          </div>
        )}
      </div>
      {p.children}
    </section>
  );
}

/** The head of a screen: what it is, one line of what it is for, its actions. */
export function Head(p: { title: ComponentChildren; lead?: ComponentChildren; children?: ComponentChildren; up?: [string, string] }): JSX.Element {
  return (
    <header class="head">
      {p.up && (
        <p class="up">
          <A href={p.up[0]}>← {p.up[1]}</A>
        </p>
      )}
      <div class="head-row">
        <h1>{p.title}</h1>
        {p.lead && <p class="lead">{p.lead}</p>}
        {p.children && <div class="actions">{p.children}</div>}
      </div>
    </header>
  );
}

/** An empty state teaches: what belongs here, and the button that makes the first one. */
export function Empty(p: { title: string; children?: ComponentChildren; action?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{p.title}</p>
      {p.children && <div class="muted">{p.children}</div>}
      {p.action && <div class="actions">{p.action}</div>}
    </div>
  );
}

export function Loading(): JSX.Element {
  return (
    <p class="loading" role="status">
      <span class="spin" aria-hidden="true" />
      {t("loading")}
    </p>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>{k}</dt>
          <dd>{v || "–"}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A moment: the date, how far away it is, the exact time on hover. */
export function When({ at, time = false, stack = false }: { at: string | null | undefined; time?: boolean; stack?: boolean }): JSX.Element {
  useMinute(); // drawn again then, with the time of the drawing: what happened since does not lie in the future
  if (!at) return <span class="muted">–</span>;
  return (
    <time dateTime={at} title={dateTime(at)} class={stack ? "when stack" : "when"}>
      <span>{time ? dateTime(at) : date(at)}</span> <span class="muted small">{relative(at)}</span>
    </time>
  );
}

/** Text a machine wrote: can be copied whole, shown short. */
export function Code({ text, short = 0 }: { text: string | null | undefined; short?: number }): JSX.Element {
  if (!text) return <span class="muted">–</span>;
  const shown = short && text.length > short ? text.slice(0, short) + "…" : text;
  return (
    <span class="code">
      <code title={text}>{shown}</code>
      <button
        class="copy"
        aria-label={t("copy_what", shown)}
        title={t("copy")}
        onClick={(e) => {
          e.stopPropagation();
          void navigator.clipboard?.writeText(text).then(() => toast(t("copied")));
        }}
      >
        <Icon of="copy" />
      </button>
    </span>
  );
}

export function Tabs<T extends string>(p: { of: [T, string][]; now: T; to: (v: T) => void; label: string }): JSX.Element {
  return (
    <div class="tabs" role="group" aria-label={p.label}>
      {p.of.map(([v, text]) => (
        <button key={v} aria-pressed={v === p.now} onClick={() => p.to(v)}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** A filter as a chip: pressed or not. */
export function Chip(p: { on: boolean; toggle: () => void; children: ComponentChildren }): JSX.Element {
  return (
    <button class="chip" aria-pressed={p.on} onClick={p.toggle}>
      {p.on && <span aria-hidden="true">✓ </span>}
      {p.children}
    </button>
  );
}

/** What is said under a field; `aboutOf` ties it to the field for screen readers. */
export function Notes({ id, help, fault }: { id: string; help?: string | null; fault?: string | null }): JSX.Element {
  return (
    <>
      {help && (
        <p class="help" id={id + "h"}>
          {help}
        </p>
      )}
      {fault && (
        <p class="field-fault" id={id + "f"}>
          {fault}
        </p>
      )}
    </>
  );
}
export const aboutOf = (id: string, p: { help?: string | null; fault?: string | null }): string | undefined => [p.help ? id + "h" : "", p.fault ? id + "f" : ""].filter(Boolean).join(" ") || undefined;

/** One line input with its label; help and fault are tied to it for screen readers. */
export function Field(p: {
  label: string;
  value: string;
  onValue: (v: string) => void;
  type?: string;
  name?: string;
  auto?: string;
  help?: string | null;
  fault?: string | null;
  required?: boolean;
  disabled?: boolean;
  placeholder?: string;
  rows?: number;
  focus?: boolean;
  mono?: boolean;
  list?: string;
}): JSX.Element {
  const id = useRef("f" + Math.random().toString(36).slice(2, 9)).current;
  const el = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  useEffect(() => {
    if (p.focus) el.current?.focus();
  }, []);
  const shared = {
    id,
    ref: el,
    name: p.name,
    value: p.value,
    required: p.required,
    disabled: p.disabled,
    placeholder: p.placeholder,
    autocomplete: (p.auto ?? "off") as never,
    "aria-describedby": aboutOf(id, p),
    "aria-invalid": p.fault ? ("true" as const) : undefined,
    class: p.mono ? "mono" : undefined,
  };
  return (
    <div class="field">
      <label for={id}>
        {p.label}
        {p.required && <span class="need">{t("required")}</span>}
      </label>
      {p.rows ? (
        <textarea {...shared} rows={p.rows} spellcheck={false} onInput={(e) => p.onValue(e.currentTarget.value)} />
      ) : (
        <input {...shared} type={p.type ?? "text"} list={p.list} spellcheck={false} onInput={(e) => p.onValue(e.currentTarget.value)} />
      )}
      <Notes id={id} help={p.help} fault={p.fault} />
    </div>
  );
}

export function Select(p: {
  label: string;
  value: string;
  of: [string, string][];
  onValue: (v: string) => void;
  help?: string | null;
  fault?: string | null;
  required?: boolean;
  disabled?: boolean;
  hideLabel?: boolean;
}): JSX.Element {
  const id = useRef("s" + Math.random().toString(36).slice(2, 9)).current;
  return (
    <div class={p.hideLabel ? "field bare" : "field"}>
      <label for={id} class={p.hideLabel ? "sr" : undefined}>
        {p.label}
        {p.required && <span class="need">{t("required")}</span>}
      </label>
      <select
        id={id}
        value={p.value}
        disabled={p.disabled}
        aria-describedby={aboutOf(id, p)}
        aria-invalid={p.fault ? "true" : undefined}
        onChange={(e) => p.onValue(e.currentTarget.value)}
      >
        {p.of.map(([v, text]) => (
          <option key={v} value={v} selected={v === p.value}>
            {text}
          </option>
        ))}
      </select>
      <Notes id={id} help={p.help} fault={p.fault} />
    </div>
  );
}

export function Check(p: { label: string; on: boolean; set: (v: boolean) => void; help?: string | null; disabled?: boolean }): JSX.Element {
  return (
    <div class="field">
      <label class="check">
        <input type="checkbox" checked={p.on} disabled={p.disabled} onChange={(e) => p.set(e.currentTarget.checked)} />
        <span>{p.label}</span>
      </label>
      {p.help && <p class="help">{p.help}</p>}
    </div>
  );
}

// Short messages that go away by themselves; read out by screen readers.
let tell: (text: string) => void = () => undefined;
export const toast = (text: string): void => tell(text);

export function Toasts(): JSX.Element {
  const [list, set] = useState<{ id: number; text: string }[]>([]);
  useEffect(() => {
    tell = (text) => {
      const id = Date.now() + Math.random();
      set((l) => [...l.slice(-3), { id, text }]);
      setTimeout(() => set((l) => l.filter((x) => x.id !== id)), 4500);
    };
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {list.map((x) => (
        <p key={x.id}>{x.text}</p>
      ))}
    </div>
  );
}
