// One dialog and one question: what will happen to what, asked in proportion.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../lib/i18n";
import { Fault, Field } from "./basic";

export function Dialog(p: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean; locked?: boolean }): JSX.Element {
  const el = useRef<HTMLDialogElement>(null);
  const id = useRef("d" + Math.random().toString(36).slice(2, 9)).current;
  useEffect(() => {
    const d = el.current;
    if (d && !d.open) d.showModal();
    return () => d?.close();
  }, []);
  return (
    <dialog
      ref={el}
      class={p.wide ? "wide" : ""}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        if (!p.locked) p.onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={id}>{p.title}</h2>
        {!p.locked && (
          <button class="quiet" aria-label={t("close")} onClick={p.onClose}>
            ✕
          </button>
        )}
      </div>
      {p.children}
    </dialog>
  );
}

interface Question {
  title: string;
  /** What will happen to what. */
  body: ComponentChildren;
  action: string;
  danger?: boolean;
  /** To be typed before the button works: for what cannot be taken back. */
  type?: string;
  run: () => Promise<unknown>;
}

let put: (q: Question) => void = () => undefined;
export const ask = (q: Question): void => put(q);

export function Asker(): JSX.Element | null {
  const [q, set] = useState<Question | null>(null);
  useEffect(() => {
    put = set;
  }, []);
  return q ? <Ask key={q.title} q={q} close={() => set(null)} /> : null;
}

function Ask({ q, close }: { q: Question; close: () => void }): JSX.Element {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await q.run();
      close();
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <Dialog title={q.title} onClose={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          void run();
        }}
      >
        <div class="prose">{q.body}</div>
        {q.type && <Field label={t("type_to_confirm", q.type)} value={typed} onValue={setTyped} focus />}
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class={q.danger ? "danger" : "primary"} disabled={busy || (!!q.type && typed !== q.type)}>
            {busy ? t("working") : q.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
