// The one table. Rows come page by page from the server and only those on screen are in the page,
// so that a million rows cost what fifty do. Keyboard: j/k or arrows, Enter opens, x selects.
import type { ComponentChildren, JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, query, type Page, type Readable } from "../lib/api";
import { t } from "../lib/i18n";
import { useLive } from "../lib/hooks";
import { go } from "../lib/router";
import { Fault, Loading } from "./basic";

export interface Column<T> {
  id: string;
  label: string;
  show: (row: T) => ComponentChildren;
  /** The name of the server's sort order. */
  sort?: string;
  width?: string;
  /** 1 always, 2 not on a phone, 3 only on wide screens. */
  level?: 1 | 2 | 3;
  head?: boolean;
  num?: boolean;
}

type Params = Record<string, string | number | boolean | null | undefined>;
const PAGE = 60;

/** Pages of a list by keyset; `cursor` is the name of the parameter that continues it. */
export function usePages<T extends { id: number }>(path: Readable | null, params: Params, on: string[], cursor = "after", size = PAGE) {
  const [rows, setRows] = useState<T[] | null>(null);
  const [next, setNext] = useState<number | string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(0);
  const loading = useRef(false);
  const key = path + query(params);
  const now = useRef({ rows, next });
  now.current = { rows, next };

  const read = useCallback(
    async (from: number | string | null, limit: number): Promise<Page<T>> => get<Page<T>>((path + query({ ...params, limit, ...(from !== null ? { [cursor]: from } : {}) })) as Readable),
    [key],
  );
  const reload = useCallback(async () => {
    if (!path) return;
    const mine = ++asked.current;
    loading.current = true;
    try {
      // As much as is shown already, so that nothing jumps.
      const limit = Math.min(500, Math.max(size, now.current.rows?.length ?? 0));
      const page = await read(cursor === "before" ? 0 : null, limit);
      if (mine !== asked.current) return;
      setRows(page.items);
      setNext(page.next);
      setError(null);
    } catch (x) {
      if (mine === asked.current) setError(x);
    } finally {
      loading.current = false;
    }
  }, [read]);
  const more = useCallback(async () => {
    if (loading.current || now.current.next === null || !now.current.rows) return;
    const mine = asked.current;
    loading.current = true;
    try {
      const page = await read(now.current.next, size);
      if (mine !== asked.current) return;
      setRows((before) => {
        const seen = new Set((before ?? []).map((r) => r.id));
        return [...(before ?? []), ...page.items.filter((r) => !seen.has(r.id))];
      });
      setNext(page.next);
    } catch (x) {
      if (mine === asked.current) setError(x);
    } finally {
      loading.current = false;
    }
  }, [read]);
  useEffect(() => {
    setRows(null);
    setNext(null);
    const wait = setTimeout(() => void reload(), 60);
    return () => clearTimeout(wait);
  }, [reload]);
  useLive(on, () => {
    // Far down a long list a reload would move what is read: the head is enough then.
    if ((now.current.rows?.length ?? 0) <= 500) void reload();
  });
  return { rows, next, error, reload, more };
}

interface TableProps<T> {
  label: string;
  rows: T[] | null;
  next?: number | string | null;
  more?: () => void;
  error?: unknown;
  retry?: () => void;
  columns: Column<T>[];
  link?: (row: T) => string;
  empty: ComponentChildren;
  sort?: string;
  onSort?: (s: string) => void;
  selected?: Set<number>;
  onSelect?: (s: Set<number>) => void;
  rowHeight?: number;
}

const ROW = 52;

export function Table<T extends { id: number }>(p: TableProps<T>): JSX.Element {
  const height = p.rowHeight ?? ROW;
  const body = useRef<HTMLTableSectionElement>(null);
  const table = useRef<HTMLTableElement>(null);
  /** Where the first row is, on screen or above it: the rows drawn begin lower. */
  const firstTop = (): number => (table.current?.getBoundingClientRect().top ?? 0) + (table.current?.tHead?.offsetHeight ?? 0);
  const [range, setRange] = useState<[number, number]>([0, 40]);
  const rows = p.rows ?? [];
  const virtual = rows.length > 80;

  useEffect(() => {
    const look = (): void => {
      const top = firstTop();
      const from = Math.max(0, Math.floor(-top / height) - 8);
      const to = Math.ceil((innerHeight - top) / height) + 8;
      setRange((r) => (r[0] === from && r[1] === to ? r : [from, to]));
      if (to >= rows.length - 20 && p.next != null) p.more?.();
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
    // By the rows themselves: a reload may end while the last rows are on screen and nothing scrolls.
  }, [p.rows, p.next, p.more, height]);

  const [from, to] = virtual ? [Math.min(range[0], rows.length), Math.min(range[1], rows.length)] : [0, rows.length];
  const move = (e: KeyboardEvent): void => {
    const target = e.target as HTMLElement;
    if (target.matches("input:not([type=checkbox]),textarea,select") || e.metaKey || e.ctrlKey || e.altKey) return;
    const step = e.key === "j" || e.key === "ArrowDown" ? 1 : e.key === "k" || e.key === "ArrowUp" ? -1 : 0;
    const at = Number(target.closest("tr")?.dataset["i"] ?? "-1");
    if (step) {
      const to = Math.max(0, Math.min(rows.length - 1, at + step));
      e.preventDefault();
      focusRow(to);
    } else if (e.key === "x" && p.onSelect && at >= 0) {
      const row = rows[at];
      if (row) toggle(row.id);
    } else if (e.key === "Enter" && p.link && target.tagName === "TR" && rows[at]) {
      go(p.link(rows[at] as T));
    }
  };
  const focusRow = (i: number): void => {
    const find = (): HTMLElement | null => body.current?.querySelector<HTMLElement>(`tr[data-i="${i}"]`) ?? null;
    const el = find();
    if (el) {
      el.focus();
      return;
    }
    const top = firstTop() + scrollY + i * height - innerHeight / 2;
    scrollTo(0, top);
    setTimeout(() => find()?.focus(), 60);
  };
  const toggle = (id: number): void => {
    const s = new Set(p.selected);
    if (!s.delete(id)) s.add(id);
    p.onSelect?.(s);
  };
  if (p.error && !p.rows) return <Fault error={p.error} retry={p.retry} />;
  if (!p.rows) return <Loading />;
  if (rows.length === 0) return <>{p.empty}</>;
  return (
    <>
      <Fault error={p.error} retry={p.retry} />
      <div class="table-wrap">
        <table ref={table} class={virtual ? "virtual" : ""} aria-label={p.label} aria-rowcount={p.next != null ? -1 : rows.length + 1} onKeyDown={move}>
          <thead>
            <tr>
              {p.onSelect && (
                <th class="sel">
                  <input
                    type="checkbox"
                    aria-label={t("select_all")}
                    checked={rows.length > 0 && rows.every((r) => p.selected?.has(r.id))}
                    onChange={(e) => p.onSelect?.(e.currentTarget.checked ? new Set(rows.map((r) => r.id)) : new Set())}
                  />
                </th>
              )}
              {p.columns.map((c) => (
                <HeadCell key={c.id} c={c} sort={p.sort} onSort={p.onSort} />
              ))}
            </tr>
          </thead>
          {from > 0 && <Gap n={from * height} />}
          <tbody ref={body} style={virtual ? { "--row": `${height}px`, "--shift": "0" } : undefined}>
            {rows.slice(from, to).map((row, k) => (
              <Row key={row.id} row={row} i={from + k} p={p} height={virtual ? height : 0} toggle={toggle} />
            ))}
          </tbody>
          {to < rows.length && <Gap n={(rows.length - to) * height} />}
        </table>
      </div>
      {p.next != null && p.more && (
        <p class="more">
          <button onClick={() => p.more?.()}>{t("more")}</button>
        </p>
      )}
    </>
  );
}

/** The height of the rows that are not drawn: one cell, as spanning hidden columns would make new ones. */
function Gap({ n }: { n: number }): JSX.Element {
  return (
    <tbody class="gap" aria-hidden="true">
      <tr>
        <td style={{ height: `${n}px` }} />
      </tr>
    </tbody>
  );
}

function HeadCell<T>({ c, sort, onSort }: { c: Column<T>; sort?: string; onSort?: (s: string) => void }): JSX.Element {
  const down = sort === "-" + c.sort;
  const on = c.sort && (sort === c.sort || down);
  return (
    <th
      scope="col"
      class={`l${c.level ?? 1}${c.num ? " num" : ""}${c.head ? " wide-col" : ""}`}
      style={c.width ? { width: c.width } : undefined}
      aria-sort={on ? (down ? "descending" : "ascending") : undefined}
    >
      {c.sort && onSort ? (
        <button class="sort" onClick={() => onSort(on && !down ? "-" + c.sort : (c.sort as string))}>
          {c.label} <span aria-hidden="true">{on ? (down ? "▼" : "▲") : "↕"}</span>
        </button>
      ) : (
        c.label
      )}
    </th>
  );
}

function Row<T extends { id: number }>(a: { row: T; i: number; p: TableProps<T>; height: number; toggle: (id: number) => void }): JSX.Element {
  const { row, i, p } = a;
  const open = (e: MouseEvent): void => {
    if (!p.link || (e.target as HTMLElement).closest("a,button,input,label")) return;
    if (String(getSelection() ?? "")) return;
    go(p.link(row));
  };
  return (
    <tr
      data-i={i}
      tabIndex={p.link ? -1 : undefined}
      aria-rowindex={i + 2}
      class={p.link ? "open" : ""}
      style={a.height ? { height: `${a.height}px` } : undefined}
      onClick={open}
    >
      {p.onSelect && (
        <td class="sel">
          <input type="checkbox" aria-label={t("select_row", row.id)} checked={!!p.selected?.has(row.id)} onChange={() => a.toggle(row.id)} />
        </td>
      )}
      {p.columns.map((c) => {
        const cls = `l${c.level ?? 1}${c.num ? " num" : ""}`;
        return c.head ? (
          <th key={c.id} scope="row" class={cls}>
            {c.show(row)}
          </th>
        ) : (
          <td key={c.id} class={cls}>
            {c.show(row)}
          </td>
        );
      })}
    </tr>
  );
}
