// One of many: a plain choice while they are few, a field that searches on the server when they are not.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, query, type Page, type Readable } from "../lib/api";
import { t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { display } from "../lib/idn";
import { Notes, Select, aboutOf } from "./basic";

/** So many fit into a plain choice. */
const FEW = 30;
const SHOWN = 12;

export interface Named {
  id: number;
  name: string;
}

interface Props<T extends Named> {
  of: "/targets" | "/certs";
  label: string;
  /** A number or a name, as `by` says; "" is none. */
  value: string;
  by?: "id" | "name";
  onValue: (value: string, row: T | null) => void;
  /** What stands for none. */
  none: string;
  help?: string | null;
  fault?: string | null;
  required?: boolean;
  hideLabel?: boolean;
}

const listOf = (of: string, more: Record<string, string | number>): Readable => (of + query({ ...more, ...(of === "/certs" ? { sort: "name" } : {}) })) as Readable;

export function Choose<T extends Named>(p: Props<T>): JSX.Element {
  const first = useGet<Page<T>>(listOf(p.of, { limit: FEW }));
  const rows = first.value?.items ?? [];
  const key = (r: T): string => (p.by === "name" ? r.name : String(r.id));
  if (first.value?.next != null) return <Combo {...p} first={rows} keyOf={key} />;
  const of: [string, string][] = [["", p.none], ...rows.map((r): [string, string] => [key(r), display(r.name)])];
  if (p.value && !rows.some((r) => key(r) === p.value)) of.push([p.value, p.by === "name" ? display(p.value) : `#${p.value}`]);
  return <Select label={p.label} value={p.value} of={of} onValue={(v) => p.onValue(v, rows.find((r) => key(r) === v) ?? null)} help={p.help} fault={p.fault} required={p.required} hideLabel={p.hideLabel} />;
}

/** The name of what is chosen: a number says nothing to a person. */
function useName(of: string, value: string, by: Props<Named>["by"]): [string, (name: string) => void] {
  const [name, setName] = useState(by === "name" ? value : "");
  const known = useRef(by === "name" ? value : "");
  useEffect(() => {
    if (by === "name" || !value) {
      setName(value);
      return;
    }
    if (known.current === value) return;
    known.current = value;
    get<Named>(`${of}/${encodeURIComponent(value)}` as Readable).then(
      (r) => setName(r.name),
      () => setName(`#${value}`),
    );
  }, [of, value, by]);
  return [name, setName];
}

function useFound<T extends Named>(of: string, q: string | null, first: T[]): T[] {
  const [rows, setRows] = useState(first);
  const asked = useRef(0);
  useEffect(() => {
    const mine = ++asked.current;
    if (!q?.trim()) {
      setRows(first);
      return;
    }
    const timer = setTimeout(() => {
      get<Page<T>>(listOf(of, { q: q.trim(), limit: SHOWN })).then(
        (page) => mine === asked.current && setRows(page.items),
        () => undefined,
      );
    }, 120);
    return () => clearTimeout(timer);
  }, [of, q, first]);
  return rows;
}

function Combo<T extends Named>(p: Props<T> & { first: T[]; keyOf: (r: T) => string }): JSX.Element {
  const id = useRef("p" + Math.random().toString(36).slice(2, 9)).current;
  const [typed, setTyped] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const [name, setName] = useName(p.of, p.value, p.by);
  const found = useFound(p.of, typed, p.first).slice(0, SHOWN);
  const open = typed !== null;
  const choices: (T | null)[] = p.required || typed ? found : [null, ...found];
  useEffect(() => setAt(0), [typed]);
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  const choose = (r: T | null): void => {
    setName(r ? r.name : "");
    setTyped(null);
    p.onValue(r ? p.keyOf(r) : "", r);
  };
  const keyed = (e: KeyboardEvent): void => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) setTyped("");
      else setAt((i) => Math.max(0, Math.min(choices.length - 1, i + (e.key === "ArrowDown" ? 1 : -1))));
    } else if (e.key === "Escape" && open) {
      e.preventDefault();
      e.stopPropagation(); // the dialog around stays
      setTyped(null);
    } else if (e.key === "Enter" && open && !e.isComposing) {
      e.preventDefault();
      if (at < choices.length) choose(choices[at] ?? null);
    }
  };
  return (
    <div class={p.hideLabel ? "field bare combo" : "field combo"}>
      <label for={id} class={p.hideLabel ? "sr" : undefined}>
        {p.label}
        {p.required && <span class="need">{t("required")}</span>}
      </label>
      <input
        id={id}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        aria-autocomplete="list"
        aria-expanded={open}
        aria-controls={id + "l"}
        aria-activedescendant={open && choices.length ? `${id}o${at}` : undefined}
        aria-describedby={aboutOf(id, p)}
        aria-invalid={p.fault ? "true" : undefined}
        placeholder={name && open ? display(name) : p.none}
        value={typed ?? display(name)}
        onInput={(e) => setTyped(e.currentTarget.value)}
        onClick={() => !open && setTyped("")}
        onBlur={() => setTyped(null)}
        onKeyDown={keyed}
      />
      <ul class="combo-list" id={id + "l"} role="listbox" aria-label={p.label} hidden={!open} ref={list}>
        {choices.map((r, i) => (
          // Before the field loses the focus, and the list with it.
          <li key={r?.id ?? 0} id={`${id}o${i}`} role="option" aria-selected={i === at} onMouseEnter={() => setAt(i)} onMouseDown={(e) => e.preventDefault()} onClick={() => choose(r)}>
            {r ? display(r.name) : p.none}
          </li>
        ))}
        {choices.length === 0 && <li class="muted">{t("nothing_matches")}</li>}
      </ul>
      {open && <p class="help">{t("pick_hint")}</p>}
      <Notes id={id} help={p.help} fault={p.fault} />
    </div>
  );
}
