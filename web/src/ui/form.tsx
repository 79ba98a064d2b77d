// The one form renderer: fields come from the server's field tables, so a connector added later
// has its form without a line here. Secrets are write-only: what is set shows as set.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, type Connector, type Field as F, type Page, type TypeSchema } from "../lib/api";
import { duration, pair, t } from "../lib/i18n";
import { Check, Field, Select } from "./basic";
import { Choose } from "./choose";

export type Values = Record<string, unknown>;

/** Does the field apply, given the others' values (or defaults)? */
export function applies(f: F, fields: F[], v: Values): boolean {
  if (!f.only_if) return true;
  const c = fields.find((x) => x.name === f.only_if?.field);
  if (!c || !applies(c, fields, v)) return false;
  const now = v[c.name] ?? c.default;
  return f.only_if.values.includes(typeof now === "boolean" ? (now ? "true" : "false") : String(now ?? ""));
}

/** What is sent: only fields that apply and say something; lists without empty lines. */
export function outgoing(fields: F[], v: Values): Values {
  const out: Values = {};
  for (const f of fields) {
    if (!applies(f, fields, v)) continue;
    const x = v[f.name];
    if (x === undefined || x === "" || x === null) {
      if (f.type === "secret" && x === null) out[f.name] = null;
      continue;
    }
    if (f.type === "list") {
      const list = (Array.isArray(x) ? (x as string[]) : String(x).split("\n")).map((s) => s.trim()).filter(Boolean);
      if (list.length) out[f.name] = list;
    } else if ((f.type === "int" || f.type === "port") && typeof x === "string" && /^-?\d+$/.test(x.trim())) {
      out[f.name] = Number(x);
    } else {
      out[f.name] = x;
    }
  }
  return out;
}

/** What may be kept in the browser. */
export function withoutSecrets(fields: F[], v: Values): Values {
  return Object.fromEntries(Object.entries(v).filter(([k]) => !fields.some((f) => f.name === k && f.type === "secret")));
}

/** The field at fault: "settings.host" and "host" both mean host. */
export function faultOf(error: unknown): { field: string; text: string } | null {
  if (!(error instanceof ApiError) || !error.body.field) return null;
  const parts = error.body.field.split(".");
  return { field: parts[parts.length - 1] ?? "", text: pair(error.body.message) };
}

/** What is said at a field: the fault, where it is this field's. */
export const faultAt = (error: unknown, field: string): string | null => {
  const f = faultOf(error);
  return f?.field === field ? f.text : null;
};

export function Fields(p: { fields: F[]; values: Values; set: (v: Values) => void; error?: unknown; editing?: boolean }): JSX.Element {
  const shown = p.fields.filter((f) => applies(f, p.fields, p.values));
  const plain = shown.filter((f) => !f.advanced);
  const folded = shown.filter((f) => f.advanced);
  const fault = faultOf(p.error);
  const bad = fault?.field;
  const [open, setOpen] = useState(false);
  const must = folded.some((f) => f.name === bad);
  // A refusal leads to its field.
  useEffect(() => {
    if (bad) document.querySelector<HTMLElement>("form [aria-invalid=true]")?.focus();
  }, [p.error]);
  const input = (f: F): JSX.Element => (
    <Input key={f.name} f={f} v={p.values[f.name]} set={(x) => p.set({ ...p.values, [f.name]: x })} fault={bad === f.name ? (fault?.text ?? null) : null} editing={p.editing} />
  );
  // Where fields stand two by two, a name begins the row that its Japanese form ends.
  const one = (f: F): JSX.Element =>
    p.fields.some((x) => x.name === f.name + "_ja") ? (
      <div key={f.name} class="begins">
        {input(f)}
      </div>
    ) : (
      input(f)
    );
  return (
    <>
      {plain.map(one)}
      {folded.length > 0 && (
        <details class="fold" open={open || must} onToggle={(e) => setOpen((e.currentTarget as HTMLDetailsElement).open)}>
          <summary>{t("advanced")}</summary>
          {folded.map(one)}
        </details>
      )}
    </>
  );
}

/** With its full stop: something follows. */
const sentence = (s: string | null | undefined): string => (s ? (/[.。！？!?]$/.test(s) ? s : s + t("stop_mark")) : "");

function helpOf(f: F): string {
  const parts = [sentence(f.help)];
  if (f.type === "int" || f.type === "port") {
    if (f.min !== null && f.max !== null && f.type === "int") parts.push(t("range", f.min, f.max));
  } else if (f.type === "seconds") {
    parts.push(t("secs_help"));
  } else if (f.type === "list") {
    parts.push(t("one_per_line"));
  }
  if (f.example) parts.push(t("example", f.example));
  return parts.filter(Boolean).join(" ");
}

function placeholderOf(f: F): string {
  if (f.default === null || f.default === undefined) return "";
  if (f.type === "seconds" && typeof f.default === "number") return duration(f.default);
  return Array.isArray(f.default) ? f.default.join(", ") : String(f.default);
}

function Input(p: { f: F; v: unknown; set: (v: unknown) => void; fault: string | null; editing?: boolean }): JSX.Element {
  const { f, fault } = p;
  const fixed = !!p.editing && f.immutable;
  if (f.type === "bool") return <Check label={f.label} on={Boolean(p.v ?? f.default ?? false)} set={p.set} help={helpOf(f)} disabled={fixed} />;
  if (f.type === "enum" && f.choices) {
    const now = String(p.v ?? f.default ?? "");
    const of: [string, string][] = f.choices.map((c) => [c.value, c.label]);
    if (!f.default && !p.v) of.unshift(["", t("choose")]);
    return <Select label={f.label} value={now} of={of} onValue={p.set} help={helpOf(f)} fault={fault} required={f.required} disabled={fixed} />;
  }
  if (f.type === "reference" && f.ref_kind) return <Ref f={f} v={p.v} set={p.set} fault={fault} />;
  if (f.type === "secret") return <Secret f={f} v={p.v} set={p.set} fault={fault} />;
  if (f.type === "list" && f.choices) return <Choices f={f} v={p.v} set={p.set} />;
  const text = Array.isArray(p.v) ? (p.v as string[]).join("\n") : p.v === undefined || p.v === null ? "" : f.type === "seconds" && typeof p.v === "number" ? secsText(p.v) : String(p.v);
  return (
    <Field
      label={f.label}
      value={text}
      onValue={(x) => p.set(f.type === "list" ? x.split("\n") : x)}
      help={helpOf(f)}
      fault={fault}
      required={f.required && f.default === null}
      disabled={fixed}
      placeholder={placeholderOf(f)}
      rows={f.type === "list" ? 3 : f.multiline || f.type === "text" ? 5 : undefined}
      mono={f.type === "path" || f.multiline || f.type === "text"}
    />
  );
}

export function secsText(n: number): string {
  for (const [size, unit] of [
    [86400, "d"],
    [3600, "h"],
    [60, "m"],
  ] as const)
    if (n >= size && n % size === 0) return n / size + unit;
  return n + "s";
}

function Choices({ f, v, set }: { f: F; v: unknown; set: (v: unknown) => void }): JSX.Element {
  const on = new Set(Array.isArray(v) ? (v as string[]) : []);
  return (
    <fieldset class="field">
      <legend>{f.label}</legend>
      {(f.choices ?? []).map((c) => (
        <label key={c.value} class="check">
          <input
            type="checkbox"
            checked={on.has(c.value)}
            onChange={(e) => {
              const n = new Set(on);
              if (e.currentTarget.checked) n.add(c.value);
              else n.delete(c.value);
              set([...n]);
            }}
          />
          <span>{c.label}</span>
        </label>
      ))}
      {f.help && <p class="help">{f.help}</p>}
    </fieldset>
  );
}

function Secret({ f, v, set, fault }: { f: F; v: unknown; set: (v: unknown) => void; fault: string | null }): JSX.Element {
  const kept = typeof v === "object" && v !== null && (v as { set?: boolean }).set === true;
  if (kept)
    return (
      <div class="field">
        <span class="label">{f.label}</span>
        <p class="kept">
          <span>••••••• {t("secret_set")}</span>
          <button type="button" onClick={() => set("")}>
            {t("secret_change")}
          </button>
        </p>
      </div>
    );
  const text = typeof v === "string" ? v : "";
  return (
    <Field
      label={f.label}
      value={text}
      onValue={set}
      type={f.multiline ? undefined : "password"}
      rows={f.multiline ? 5 : undefined}
      auto="new-password"
      help={[sentence(f.help), t("secret_help")].filter(Boolean).join(" ")}
      fault={fault}
      required={f.required}
      mono={f.multiline}
    />
  );
}

const kindPath: Record<string, "/cas" | "/targets" | "/notifiers" | "/certs"> = { ca: "/cas", target: "/targets", notifier: "/notifiers", cert: "/certs" };

function Ref({ f, v, set, fault }: { f: F; v: unknown; set: (v: unknown) => void; fault: string | null }): JSX.Element {
  const [names, setNames] = useState<string[]>([]);
  const path = kindPath[f.ref_kind ?? ""];
  const many = path === "/targets" || path === "/certs";
  useEffect(() => {
    if (path && !many)
      get<Page<Connector>>(`${path}?limit=500`).then(
        (page) => setNames(page.items.map((c) => c.name)),
        () => undefined,
      );
  }, [f.ref_kind]);
  const now = String(v ?? "");
  if (many) return <Choose of={path} by="name" label={f.label} value={now} none={t("choose")} onValue={set} help={f.help} fault={fault} required={f.required} />;
  const of: [string, string][] = [["", t("choose")], ...names.map((n): [string, string] => [n, n])];
  if (now && !names.includes(now)) of.push([now, now]);
  return <Select label={f.label} value={now} of={of} onValue={set} help={f.help} fault={fault} required={f.required} />;
}

const schemas = new Map<string, Promise<TypeSchema[]>>();

/** The types of a kind with their fields, in the language shown. */
export function loadTypes(kind: string, lang: string): Promise<TypeSchema[]> {
  const key = kind + lang;
  let got = schemas.get(key);
  if (!got) {
    got = get<{ items: TypeSchema[] }>(`/schema/${kind}?lang=${lang}`).then((x) => x.items);
    got.catch(() => schemas.delete(key));
    schemas.set(key, got);
  }
  return got;
}

export function useTypes(kind: string, lang: string): TypeSchema[] | null {
  const [types, set] = useState<TypeSchema[] | null>(null);
  useEffect(() => {
    let live = true;
    loadTypes(kind, lang).then(
      (x) => live && set(x),
      () => live && set([]),
    );
    return () => {
      live = false;
    };
  }, [kind, lang]);
  return types;
}
