// The pre-flight of proof of control: what the CA would find, name by name, as it comes.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, get, type Schemas } from "../lib/api";
import { getLang, t, type Key } from "../lib/i18n";
import { display } from "../lib/idn";
import { Fault } from "./basic";

type Seen = Schemas["Preflight"];
type Finding = Schemas["Finding"];

const marks: Record<Finding["level"], [string, Key]> = { good: ["✓", "level_good"], info: ["i", "level_info"], warn: ["!", "level_warn"], bad: ["✕", "level_bad"] };
const over = (s: Seen): boolean => s.state !== "ready" && s.state !== "running";

/** Begins when it is first shown, and again when asked; `ready`: the server accepts what is typed. */
export function Preflight({ body, ready }: { body: object; ready: boolean }): JSX.Element {
  const [seen, setSeen] = useState<Seen | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [asked, setAsked] = useState("");
  const turn = useRef(0);
  const text = JSON.stringify(body);
  const run = async (): Promise<void> => {
    const mine = ++turn.current;
    setError(null);
    setSeen(null);
    setAsked(text);
    try {
      const begun = await call<Schemas["PreflightStarted"]>("POST", "/preflights", body);
      for (let s: Seen | null = null; !s || !over(s); ) {
        s = await get<Seen>(`/preflights/${begun.id}${s ? "?wait=20" : ""}`);
        if (mine !== turn.current) return;
        setSeen(s);
      }
    } catch (x) {
      if (mine === turn.current) setError(x);
    }
  };
  useEffect(() => {
    if (ready && !asked) void run();
  }, [ready]);
  useEffect(() => () => void turn.current++, []);
  const running = asked !== "" && !error && (!seen || !over(seen));
  return (
    <section class="preflight" aria-label={t("preflight")}>
      <h3>{t("preflight")}</h3>
      <p class="muted">{t("preflight_lead")}</p>
      <Fault error={error ?? seen?.error ?? null} />
      <div aria-live="polite">
        {seen?.names.map((n) => (
          <div key={n.name}>
            <h4>{display(n.name)}</h4>
            {n.done ? (
              <ul class="checks">
                {n.findings.map((f) => (
                  <Line key={f.id + f.text.en} f={f} />
                ))}
              </ul>
            ) : (
              <p class="muted">{t("preflight_waiting")}</p>
            )}
          </div>
        ))}
      </div>
      {asked !== "" && asked !== text && <p class="note">{t("preflight_stale")}</p>}
      <button type="button" disabled={running || !ready} onClick={() => void run()}>
        {running ? t("working") : asked ? t("preflight_again") : t("preflight_run")}
      </button>
    </section>
  );
}

function Line({ f }: { f: Finding }): JSX.Element {
  const [mark, word] = marks[f.level];
  const lang = getLang();
  return (
    <li class={f.level === "good" ? "ok" : f.level === "info" ? "" : "missing"}>
      <span aria-hidden="true">{mark}</span> <span class="sr">{t(word)}: </span>
      {f.text[lang]}
      {f.todo && <p class="muted small">{f.todo[lang]}</p>}
    </li>
  );
}
