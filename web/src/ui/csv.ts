// All that a list's filter finds as a CSV file, not only what is loaded.
import { get, query, type Page, type Readable } from "../lib/api";
import { saveCsv } from "../lib/csv";
import { dateTime, number, t } from "../lib/i18n";
import { toast } from "./basic";

interface Export<T> {
  path: Readable;
  params: Record<string, string | number | boolean | null | undefined>;
  /** The name of the parameter that continues the list. */
  cursor?: "after" | "before";
  head: string[];
  row: (x: T) => (string | number | null | undefined)[];
  /** The middle of the file's name. */
  name: string;
}

const MAX = 1_000_000;

export async function exportCsv<T>(x: Export<T>): Promise<void> {
  const cursor = x.cursor ?? "after";
  const rows: string[][] = [x.head];
  let from: string | number | null = cursor === "before" ? 0 : null;
  do {
    const page: Page<T> = await get<Page<T>>((x.path + query({ ...x.params, limit: 500, [cursor]: from })) as Readable);
    for (const item of page.items) rows.push(x.row(item).map((v) => (v === null || v === undefined ? "" : String(v))));
    from = page.next;
    if (rows.length % 5000 < 500 && from) toast(t("csv_progress", number(rows.length - 1)));
  } while (from !== null && rows.length <= MAX);
  saveCsv(rows, `inro-${x.name}-${dateTime(Date.now()).replace(/\D+/g, "")}.csv`);
}
