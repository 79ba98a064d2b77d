// Reports to print or save as PDF: the inventory, what ends when, and the audit log.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, query, type Audit, type Cert, type Page } from "../lib/api";
import { date, dateTime, getZone, monthYear, number, relative, t, type Key } from "../lib/i18n";
import { useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { Empty, Fault, Head, Loading, State } from "../ui/basic";
import { Subject } from "../ui/job";
import { Actor, Result, allAudit, useActions } from "./audit";

const MOST = 5000;
const MOST_AUDIT = 2000;

/** A column of a sheet: what is not broken between lines, and what may be. */
interface Col<T> {
  label: Key;
  show: (row: T) => ComponentChildren;
  class?: "fix" | "name" | "num";
}

async function allCerts(sort: string, extra: Record<string, string> = {}): Promise<Cert[]> {
  const rows: Cert[] = [];
  let after: string | number | null = null;
  do {
    const page: Page<Cert> = await get<Page<Cert>>(`/certs${query({ sort, limit: 500, after, ...extra })}`);
    rows.push(...page.items);
    after = page.next;
  } while (after !== null && rows.length < MOST);
  return rows;
}

const titles: Record<string, Key> = { inventory: "report_inventory", expiry: "report_expiry", audit: "report_audit" };

export function ReportScreen({ which }: { which: string }): JSX.Element {
  const now = titles[which] ? which : "inventory";
  const title = t(titles[now] as Key);
  useTitle(title);
  const [certs, setCerts] = useState<Cert[] | null>(null);
  const [audit, setAudit] = useState<Audit[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (now === "audit") return void allAudit(MOST_AUDIT).then(setAudit, setError);
    const secs = Math.floor(Date.now() / 1000);
    const year: Record<string, string> = now === "expiry" ? { end_from: String(secs - 86400 * 30), end_before: String(secs + 86400 * 396) } : {};
    allCerts(now === "expiry" ? "expires" : "name", year).then(setCerts, setError);
  }, [now]);
  const n = certs?.length ?? audit?.length ?? 0;
  const most = audit ? MOST_AUDIT : MOST;
  return (
    <div class="report">
      <Head
        title={`Inro – ${title}`}
        lead={
          <>
            {dateTime(Date.now())}
            {t("in_brackets", getZone())} · {t("n_records", number(n))}
            {n >= most && ` ${t("report_cut", number(most))}`}
          </>
        }
      >
        <button class="primary no-print" onClick={() => print()}>
          {t("print")}
        </button>
      </Head>
      <nav class="tabs no-print" aria-label={t("print_report")}>
        {Object.entries(titles)
          .filter(([id]) => id !== "audit" || isAdmin())
          .map(([id, key]) => (
            <A key={id} href={"/report/" + id} aria-current={id === now ? "page" : undefined}>
              {t(key)}
            </A>
          ))}
      </nav>
      <Fault error={error} />
      {!certs && !audit && !error && <Loading />}
      {certs?.length === 0 && <Empty title={t("certs_none")}>{now === "expiry" ? t("report_expiry_none") : t("certs_none_text")}</Empty>}
      {certs && certs.length > 0 && (now === "expiry" ? <Expiry list={certs} /> : <Sheet label={title} rows={certs} cols={inventory} />)}
      {audit && <AuditSheet list={audit} />}
    </div>
  );
}

function Sheet<T extends { id: number }>({ label, rows, cols }: { label: string; rows: T[]; cols: Col<T>[] }): JSX.Element {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={label}>
      <table class="print-table">
        <thead>
          <tr>
            {cols.map((c) => (
              <th key={c.label} scope="col" class={c.class}>
                {t(c.label)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={r.id}>
              {cols.map((c) =>
                c.class === "name" ? (
                  <th key={c.label} scope="row" class="name">
                    {c.show(r)}
                  </th>
                ) : (
                  <td key={c.label} class={c.class}>
                    {c.show(r)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const named: Col<Cert> = { label: "cert_name", class: "name", show: (c) => <A href={`/certs/${c.id}`}>{display(c.name)}</A> };
const state: Col<Cert> = { label: "state", class: "fix", show: (c) => <State of={c.health} /> };
const ca: Col<Cert> = { label: "ca", show: (c) => c.ca ?? c.issuer };

const inventory: Col<Cert>[] = [
  named,
  state,
  { label: "names", show: (c) => c.names.map(display).join(", ") },
  ca,
  { label: "expires", class: "fix", show: (c) => date(c.not_after) },
  { label: "targets", class: "num", show: (c) => (c.targets.total ? `${c.targets.deployed} / ${c.targets.total}` : "–") },
];

const expiry: Col<Cert>[] = [
  {
    label: "expires",
    class: "fix",
    show: (c) => (
      <>
        {date(c.not_after)} <span class="muted small">{relative(c.not_after)}</span>
      </>
    ),
  },
  named,
  state,
  { label: "next_renewal", class: "fix", show: (c) => (c.renew_at ? date(c.renew_at) : "–") },
  ca,
];

function Expiry({ list }: { list: Cert[] }): JSX.Element {
  const months: [string, Cert[]][] = [];
  for (const c of list) {
    const m = monthYear(c.not_after);
    const last = months[months.length - 1];
    if (last && last[0] === m) last[1].push(c);
    else months.push([m, [c]]);
  }
  return (
    <div class="by-month">
      {months.map(([m, cs]) => (
        <section key={m}>
          <h2>
            {m} <span class="muted">{t("n_records", number(cs.length))}</span>
          </h2>
          <Sheet label={`${t("report_expiry")} ${m}`} rows={cs} cols={expiry} />
        </section>
      ))}
    </div>
  );
}

function AuditSheet({ list }: { list: Audit[] }): JSX.Element {
  const { name: action } = useActions();
  const cols: Col<Audit>[] = [
    { label: "when", class: "fix", show: (a) => dateTime(a.at) },
    { label: "who", show: (a) => <Actor of={a.actor} /> },
    { label: "what", class: "name", show: (a) => action(a.action) },
    { label: "on_what", show: (a) => <Subject of={a.subject} name={a.subject_name} /> },
    { label: "result", show: (a) => <Result of={a.result} /> },
  ];
  return <Sheet label={t("report_audit")} rows={list} cols={cols} />;
}
