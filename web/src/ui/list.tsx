// The one list screen: head, search and chips, the table, and what stands there while it is empty.
// With `panel` it is a part of a screen (settings), else a screen of its own.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Page } from "../lib/api";
import type { Loaded } from "../lib/hooks";
import { t } from "../lib/i18n";
import { A } from "../lib/router";
import { Empty, Head, Panel } from "./basic";
import { Table, type Column } from "./table";

/** Rows as the table takes them: of a paged list, or of a list that comes whole. */
export interface Rows<T> {
  rows: T[] | null;
  error: unknown;
  reload: () => Promise<void>;
  next?: number | string | null;
  more?: () => void;
}
export const rowsOf = <T,>(g: Loaded<Page<T>>): Rows<T> => ({ rows: g.value?.items ?? null, error: g.error, reload: g.reload });

/** How the first one is made: a link, or something done here. */
export interface Adding {
  text: string;
  to: string | (() => void);
}

interface Props<T> {
  title: string;
  lead?: string;
  /** The id of the panel's title. */
  panel?: string;
  add?: Adding | false;
  /** Beside it: another way to the same. */
  also?: ComponentChildren;
  /** Asked of the server by who uses this (q, set), or looked for in the rows: `of` gives a row's texts. */
  search?: { hint: string } & ({ q: string; set: (q: string) => void } | { of: (row: T) => string[] });
  filters?: ComponentChildren;
  /** Between the filters and the table: saved views, CSV. */
  bar?: ComponentChildren;
  sort?: string;
  onSort?: (s: string) => void;
  /** There, when something is filtered: takes the filters away. */
  clear?: (() => void) | false;
  none: string;
  noneText?: string;
  list: Rows<T>;
  columns: Column<T>[];
  link?: (row: T) => string;
  rowHeight?: number;
  /** Rows can be chosen; `bar` is what is done with them. */
  choose?: { selected: Set<number>; set: (s: Set<number>) => void; bar: ComponentChildren } | false;
  /** No head of its own: the screen around has one. */
  bare?: boolean;
  children?: ComponentChildren;
}

export function AddButton({ add }: { add: Adding }): JSX.Element {
  if (typeof add.to === "string")
    return (
      <A href={add.to} class="button primary">
        {add.text}
      </A>
    );
  return (
    <button class="primary" onClick={add.to}>
      {add.text}
    </button>
  );
}

/** So few are seen at a glance: a search would only stand in the way. */
const FEW = 8;

export function Listing<T extends { id: number }>(p: Props<T>): JSX.Element {
  const [typed, setTyped] = useState("");
  const add = p.add ? <AddButton add={p.add} /> : undefined;
  const own = p.search && "of" in p.search ? p.search.of : null;
  const low = typed.trim().toLowerCase();
  const all = p.list.rows;
  const rows = own && low && all ? all.filter((r) => own(r).some((x) => x.toLowerCase().includes(low))) : all;
  // What is looked for may be on a page that was not read yet.
  useEffect(() => {
    if (own && low && p.list.next != null) p.list.more?.();
  }, [low, all]);
  const searching = p.search && (!own || typed !== "" || (all?.length ?? 0) > FEW);
  const [q, setQ] = p.search && "q" in p.search ? [p.search.q, p.search.set] : [typed, setTyped];
  const clear = p.clear || (low ? () => setTyped("") : false);
  const empty = clear ? (
    <Empty title={t("nothing_matches")} action={<button onClick={clear}>{t("filters_clear")}</button>} />
  ) : (
    <Empty title={p.none} action={add}>
      {p.noneText}
    </Empty>
  );
  const body = (
    <>
      {(searching || p.filters) && (
        <div class="filters">
          {searching && p.search && <input type="search" class="search" placeholder={p.search.hint} aria-label={p.search.hint} value={q} onInput={(e) => setQ(e.currentTarget.value)} />}
          {p.filters}
        </div>
      )}
      {p.bar}
      {p.choose && p.choose.selected.size > 0 && (
        <div class="bulk" role="region" aria-label={t("bulk")}>
          <b>{t("n_selected", p.choose.selected.size)}</b>
          {p.choose.bar}
          <button class="quiet" onClick={() => p.choose && p.choose.set(new Set())}>
            {t("deselect")}
          </button>
        </div>
      )}
      <Table label={p.title} {...p.list} rows={rows} retry={() => void p.list.reload()} columns={p.columns} link={p.link} rowHeight={p.rowHeight} sort={p.sort} onSort={p.onSort} selected={p.choose ? p.choose.selected : undefined} onSelect={p.choose ? p.choose.set : undefined} empty={empty} />
      {p.children}
    </>
  );
  if (p.panel)
    return (
      <Panel title={p.title} id={p.panel} side={add}>
        {p.lead && <p class="lead">{p.lead}</p>}
        {body}
      </Panel>
    );
  if (p.bare) return body;
  return (
    <>
      <Head title={p.title} lead={p.lead}>
        {p.also}
        {add}
      </Head>
      {body}
    </>
  );
}
