// CSV as spreadsheets read it: UTF-8 with a mark, CRLF, and no cell that a spreadsheet would run.
import { saveBlob } from "./api";

const cell = (s: string): string => {
  const safe = /^[=+\-@|%\t\r]/.test(s) ? "'" + s : s;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
};

export function csvText(rows: string[][]): string {
  return "\ufeff" + rows.map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function saveCsv(rows: string[][], name: string): void {
  saveBlob(new Blob([csvText(rows)], { type: "text/csv;charset=utf-8" }), name);
}
