// The one way a form is saved: busy while it runs, its fault afterwards, and when somebody else was
// first, a way on that loses neither theirs nor what was typed here.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Readable } from "../lib/api";
import { t } from "../lib/i18n";
import { Fault, toast } from "./basic";

export interface Saving {
  busy: boolean;
  error: unknown;
  submit: (e?: Event) => void;
  /** There after a conflict: takes up the newest revision and saves what stands here. */
  over: (() => void) | null;
}

const isStale = (x: unknown): boolean => x instanceof ApiError && x.body.id === "api.stale";

interface Save<T> {
  /** What is changed: its address in the API and the revision that is shown; none for something new. */
  of?: { path: Readable; revision: number } | false;
  send: (revision: number | undefined) => Promise<T>;
  done: (got: T) => void;
}

/** The revision is that of when the form was opened: live news about the record does not change it. */
export function useSave<T>(s: Save<T>): Saving {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const revision = useRef(s.of ? s.of.revision : undefined);
  const run = async (newest: boolean): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      if (newest && s.of) revision.current = (await get<{ revision: number }>(s.of.path)).revision;
      const got = await s.send(revision.current);
      toast(t("saved"));
      setBusy(false);
      s.done(got);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return {
    busy,
    error,
    submit: (e) => {
      e?.preventDefault();
      void run(false);
    },
    over: s.of && isStale(error) ? () => void run(true) : null,
  };
}

/** What was refused and why, and the buttons that end the form. */
export function SaveEnd({ of, cancel, text, ready = true }: { of: Saving; cancel: () => void; text?: string; ready?: boolean }): JSX.Element {
  const end = useRef<HTMLDivElement>(null);
  // Seen at once, also where the form is longer than the screen.
  useEffect(() => {
    if (of.error) end.current?.scrollIntoView({ block: "nearest" });
  }, [of.error]);
  return (
    <>
      <Fault error={of.error} />
      {of.over && (
        <div class="note warn">
          <p>{t("conflict_text")}</p>
          <div class="actions">
            <a href={location.pathname + location.search} target="_blank" rel="noopener" class="button">
              {t("conflict_see")}
            </a>
            <button type="button" onClick={of.over}>
              {t("conflict_save")}
            </button>
          </div>
        </div>
      )}
      <div class="actions end" ref={end}>
        <button type="button" onClick={cancel}>
          {t("cancel")}
        </button>
        <button class="primary" disabled={of.busy || !ready}>
          {of.busy ? t("working") : (text ?? t("save"))}
        </button>
      </div>
    </>
  );
}
