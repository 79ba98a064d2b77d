// Tags: words by which people sort their certificates.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Cert, type Schemas } from "../lib/api";
import { t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, Field, State, errorText, toast } from "./basic";
import { Dialog } from "./dialog";

export const splitTags = (s: string): string[] => [...new Set(s.split(/[\s,、，]+/).filter(Boolean))];

/** The tags in use, for choosing among them. */
export function useTags(): string[] {
  return useGet<Schemas["Tags"]>("/tags", ["cert"]).value?.tags ?? [];
}

export function Tags({ of, to }: { of: string[]; to?: (tag: string) => string }): JSX.Element {
  return (
    <span class="tags">
      {of.map((x) =>
        to ? (
          <A key={x} class="tag" href={to(x)}>
            {x}
          </A>
        ) : (
          <span key={x} class="tag">
            {x}
          </span>
        ),
      )}
    </span>
  );
}

/** Typed with spaces or commas between, or picked from those in use. */
export function TagField({ label, value, set, from }: { label: string; value: string; set: (v: string) => void; from?: string[] }): JSX.Element {
  const known = useTags();
  const have = splitTags(value);
  const rest = (from ?? known).filter((x) => !have.includes(x)).slice(0, 12);
  return (
    <div class="tag-field">
      <Field label={label} value={value} onValue={set} help={t("tags_help")} />
      {rest.length > 0 && (
        <p class="chips" role="group" aria-label={t("tags_in_use")}>
          {rest.map((x) => (
            <button key={x} type="button" class="quiet small" onClick={() => set([...have, x].join(", "))}>
              ＋ {x}
            </button>
          ))}
        </p>
      )}
    </div>
  );
}

type Line = { cert: Pick<Cert, "id" | "name">; text: string; state: string };

/** Adds and removes tags on one certificate or many, one after the other, each with its result. */
export function TagDialog({ certs, close, done }: { certs: Pick<Cert, "id" | "name" | "tags">[]; close: () => void; done: () => void }): JSX.Element {
  const [add, setAdd] = useState("");
  const [remove, setRemove] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [lines, setLines] = useState<Line[]>([]);
  const present = [...new Set(certs.flatMap((c) => c.tags))].sort();
  const run = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    const failed: Line[] = [];
    for (const cert of certs) {
      try {
        await call("POST", `/certs/${cert.id}/tags`, { add: splitTags(add), remove: splitTags(remove) });
      } catch (x) {
        if (certs.length === 1) setError(x);
        else failed.push({ cert, text: errorText(x), state: "failed" });
        if (certs.length === 1) return setBusy(false);
      }
    }
    setLines(failed);
    setBusy(false);
    if (failed.length > 0) return;
    toast(t("saved"));
    done();
  };
  return (
    <Dialog title={certs.length === 1 ? t("tags_of", certs[0]?.name ?? "") : t("tags_of_many", certs.length)} onClose={close}>
      <form onSubmit={(e) => void run(e)}>
        <TagField label={t("tags_add")} value={add} set={setAdd} />
        {present.length > 0 && <TagField label={t("tags_remove")} value={remove} set={setRemove} from={present} />}
        <Fault error={error} />
        {lines.length > 0 && (
          <ul class="lines">
            {lines.map((l) => (
              <li key={l.cert.id}>
                <State of={l.state} /> <b>{l.cert.name}</b> <span class="muted">{l.text}</span>
              </li>
            ))}
          </ul>
        )}
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={busy || splitTags(add).length + splitTags(remove).length === 0}>
            {busy ? t("working") : t("save")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
