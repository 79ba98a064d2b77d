// When roll-outs may begin by themselves: days, hours and the distance from UTC, kept as one text
// ("mon-fri 02:00-05:00 +09:00").
import type { JSX } from "preact";
import { offsetNow, t, word } from "../lib/i18n";
import { Chip, Field, Select } from "./basic";

const week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const usual = ["daily", "mon-fri", "business", "sat-sun"];

interface Window {
  days: string;
  from: string;
  to: string;
  offset: string;
}

export function readWindow(text: string): Window | null {
  const m = /^(?:(\S+) )?(\d\d:\d\d)-(\d\d:\d\d)(?: ([+-]\d\d:\d\d))?$/.exec(text.trim());
  return m ? { days: (m[1] ?? "daily").toLowerCase(), from: m[2] ?? "", to: m[3] ?? "", offset: m[4] ?? "+09:00" } : null;
}

const writeWindow = (w: Window): string => `${w.days === "daily" ? "" : w.days + " "}${w.from}-${w.to} ${w.offset}`;

/** "mon-wed,sat" as the days it means. */
function daysOf(text: string): Set<string> {
  const all = new Set<string>();
  for (const part of text.split(",")) {
    const [a, b = a] = part.split("-").map((d) => week.indexOf(d));
    if (a === undefined || b === undefined || a < 0 || b < 0) continue;
    for (let i = a; ; i = (i + 1) % 7) {
      all.add(week[i] ?? "");
      if (i === b) break;
    }
  }
  return all;
}

/** In words, for who looks: the days, the hours, and how far from UTC. */
export function windowText(text: string): string {
  const w = readWindow(text);
  if (!w) return text;
  const days = usual.includes(w.days) ? word("window." + w.days) : week.filter((d) => daysOf(w.days).has(d)).map((d) => word("day." + d)).join(t("list_comma"));
  return `${days} ${w.from}–${w.to} (UTC${w.offset})`;
}

export function WindowField({ value, set }: { value: string; set: (text: string) => void }): JSX.Element {
  const w = readWindow(value);
  const kind = !value ? "" : !w ? "text" : usual.includes(w.days) ? w.days : "own";
  const put = (change: Partial<Window>): void => set(writeWindow({ ...(w ?? { days: "daily", from: "02:00", to: "05:00", offset: offsetNow() }), ...change }));
  const toggle = (day: string): void => {
    const on = daysOf(w?.days ?? "");
    if (!on.delete(day)) on.add(day);
    if (on.size) put({ days: week.filter((d) => on.has(d)).join(",") });
  };
  return (
    <>
      <Select
        label={t("window_label")}
        value={kind}
        of={[["", t("window_always")], ...usual.map((x): [string, string] => [x, word("window." + x)]), ["own", t("window_own")], ...(kind === "text" ? [["text", value] as [string, string]] : [])]}
        onValue={(v) => (v === "" ? set("") : v !== "text" && put({ days: v === "own" ? "sun" : v }))}
        help={t("window_help")}
      />
      {w && (
        <>
          {kind === "own" && (
            <div class="chips" role="group" aria-label={t("window_days")}>
              {week.map((d) => (
                <Chip key={d} on={daysOf(w.days).has(d)} toggle={() => toggle(d)}>
                  {word("day." + d)}
                </Chip>
              ))}
            </div>
          )}
          <div class="form-row">
            <Field label={t("window_from")} type="time" value={w.from} onValue={(v) => v && put({ from: v })} required />
            <Field label={t("window_to")} type="time" value={w.to} onValue={(v) => v && put({ to: v })} required help={w.to <= w.from ? t("window_next_day") : null} />
            <Field label={t("window_offset")} value={w.offset} onValue={(v) => set(writeWindow({ ...w, offset: v }))} help={t("window_offset_help")} />
          </div>
        </>
      )}
    </>
  );
}
