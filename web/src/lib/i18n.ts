// Words, dates and times. Both languages stand side by side: a key without its twin does not compile.
import { certs } from "../texts/certs";
import { common } from "../texts/common";
import { discover } from "../texts/discover";
import { flows } from "../texts/flows";
import { operations } from "../texts/operations";
import { orgs } from "../texts/orgs";
import { settings } from "../texts/settings";
import { states } from "../texts/states";
import { words } from "../texts/words";
import type { Message } from "./api";

const texts = { ...common, ...certs, ...discover, ...flows, ...operations, ...orgs, ...settings } as const;

export type Key = keyof typeof texts;
export type Lang = "en" | "ja";

let lang: Lang = pick();

function pick(): Lang {
  const kept = localStorage.getItem("inro-lang");
  if (kept === "en" || kept === "ja") return kept;
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

export const getLang = (): Lang => lang;

export function setLang(l: Lang): void {
  lang = l;
  localStorage.setItem("inro-lang", l);
  document.documentElement.lang = l;
  formats.clear();
}

export function t(k: Key, ...args: (string | number)[]): string {
  const text = texts[k][lang === "ja" ? 1 : 0];
  return args.length ? text.replace(/\{(\d)\}/g, (_, n: string) => String(args[Number(n)] ?? "")) : text;
}
export const pair = (m: Message | undefined | null): string => (m ? m[lang] : "");

/** A state as a person reads it; the mark stands beside the colour, never colour alone. */
export function stateText(s: string): { mark: string; text: string } {
  const row = states[s];
  return row ? { mark: row[0], text: row[lang === "ja" ? 2 : 1] } : { mark: "·", text: s };
}

/** Words of the program that the API gives as identifiers (event names, job kinds, reasons). */
export function word(id: string | null | undefined): string {
  if (!id) return "–";
  const row = words[id];
  return row ? row[lang === "ja" ? 1 : 0] : id;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Japan's time by default in Japanese; else the browser's; a person may choose another. */
export const getZone = (): string =>
  localStorage.getItem("inro-zone") || (lang === "ja" ? "Asia/Tokyo" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

/** How far the zone shown is from UTC at present: "+09:00". */
export function offsetNow(): string {
  const name = new Intl.DateTimeFormat("en", { timeZone: getZone(), timeZoneName: "longOffset" }).formatToParts(new Date()).find((x) => x.type === "timeZoneName")?.value ?? "";
  return /[+-]\d\d:\d\d/.exec(name)?.[0] ?? "+00:00";
}

export function setZone(zone: string): void {
  if (zone) localStorage.setItem("inro-zone", zone);
  else localStorage.removeItem("inro-zone");
  formats.clear();
}

function format(name: string, options: Intl.DateTimeFormatOptions, zone = getZone()): Intl.DateTimeFormat {
  const key = name + zone;
  let f = formats.get(key);
  if (!f) {
    f = new Intl.DateTimeFormat(lang === "ja" ? "ja-JP" : "en-GB", { ...options, timeZone: zone });
    formats.set(key, f);
  }
  return f;
}
/** A day or month of the calendar, without a time, is the same in every zone. */
const zoneOf = (w: When): string => (typeof w === "string" && /^\d{4}-\d{2}(-\d{2})?$/.test(w) ? "UTC" : getZone());

type When = string | number | Date | null | undefined;
const show = (w: When, f: Intl.DateTimeFormat): string => (w || w === 0 ? f.format(new Date(w)) : "–");

export const date = (w: When): string => show(w, format("date", { year: "numeric", month: lang === "ja" ? "long" : "short", day: "numeric" }, zoneOf(w)));
export const shortDate = (w: When): string => show(w, format("short", { month: lang === "ja" ? "long" : "short", day: "numeric" }));
export const month = (w: When): string => show(w, format("month", { month: lang === "ja" ? "long" : "short" }));
export const monthYear = (w: When): string => show(w, format("monthYear", { year: "numeric", month: lang === "ja" ? "long" : "short" }, zoneOf(w)));
export const clockTime = (w: When): string => show(w, format("clock", { hour: "2-digit", minute: "2-digit" }));
export const dateTime = (w: When): string =>
  show(w, format("dateTime", { year: "numeric", month: lang === "ja" ? "long" : "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" }));

/** "in 58 days" / "58 日後", minutes and hours for what is near. */
export function relative(w: When, now = Date.now()): string {
  if (!w) return "";
  const secs = (new Date(w).getTime() - now) / 1000;
  const f = new Intl.RelativeTimeFormat(lang === "ja" ? "ja-JP" : "en", { numeric: "always" });
  const abs = Math.abs(secs);
  if (abs < 120) return f.format(Math.round(secs), "second");
  if (abs < 7200) return f.format(Math.round(secs / 60), "minute");
  if (abs < 172800) return f.format(Math.round(secs / 3600), "hour");
  if (abs < 86400 * 730) return f.format(Math.round(secs / 86400), "day");
  return f.format(Math.round(secs / 86400 / 365), "year");
}

export function duration(secs: number): string {
  const sizes: [number, string][] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const whole = sizes.find(([n, u]) => u !== "second" && secs >= n && secs % n === 0);
  const [n, unit] = whole ?? sizes.find(([k, u]) => secs >= k && u !== "second") ?? [1, "second"];
  return new Intl.NumberFormat(lang === "ja" ? "ja-JP" : "en-GB", { style: "unit", unit, unitDisplay: "long" }).format(Math.floor(secs / n));
}

export const number = (n: number): string => n.toLocaleString(lang === "ja" ? "ja-JP" : "en-GB");

/** Bytes as a person says them. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const k = bytes / 1024;
  return k < 1024 ? `${k.toFixed(k < 10 ? 1 : 0)} kB` : `${(k / 1024).toFixed(1)} MB`;
}
