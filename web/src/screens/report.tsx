// Reports to print or save as PDF: the inventory, what ends when, and the audit log.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, query, type Audit, type Cert, type Page } from "../lib/api";
import { date, dateTime, getZone, monthYear, number, relative, t } from "../lib/i18n";
import { useTitle } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, Loading, State } from "../ui/basic";
import { allAudit } from "./audit";

const MOST = 5000;

async function allCerts(sort: string, extra: Record<string, string> = {}): Promise<Cert[]> {
  const rows: Cert[] = [];
  let after: string | number | null = null;
  do {
    const page: Page<Cert> = await get<Page<Cert>>("/certs" + query({ sort, limit: 500, after, ...extra }));
    rows.push(...page.items);
    after = page.next;
  } while (after !== null && rows.length < MOST);
  return rows;
}

export function ReportScreen({ which }: { which: string }): JSX.Element {
  const title = which === "expiry" ? t("report_expiry") : which === "audit" ? t("report_audit") : t("report_inventory");
  useTitle(title);
  const [certs, setCerts] = useState<Cert[] | null>(null);
  const [audit, setAudit] = useState<Audit[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (which === "audit") allAudit(2000).then(setAudit, setError);
    else {
      const now = Math.floor(Date.now() / 1000);
      const year = which === "expiry" ? { end_from: String(now - 86400 * 30), end_before: String(now + 86400 * 396) } : {};
      allCerts(which === "expiry" ? "expires" : "name", year as Record<string, string>).then(setCerts, setError);
    }
  }, [which]);
  const n = certs?.length ?? audit?.length ?? 0;
  return (
    <div class="report">
      <p class="no-print actions">
        <A href="/report/inventory" class="button">
          {t("report_inventory")}
        </A>
        <A href="/report/expiry" class="button">
          {t("report_expiry")}
        </A>
        <A href="/report/audit" class="button">
          {t("report_audit")}
        </A>
        <span class="grow" />
        <button class="primary" onClick={() => print()}>
          {t("print")}
        </button>
      </p>
      <h1>Inro – {title}</h1>
      <p class="muted">
        {dateTime(Date.now())} ({getZone()}) · {t("n_records", number(n))}
        {n >= MOST && ` ${t("report_cut", number(MOST))}`}
      </p>
      <Fault error={error} />
      {!certs && !audit && !error && <Loading />}
      {certs && (which === "expiry" ? <Expiry list={certs} /> : <Inventory list={certs} />)}
      {audit && <AuditReport list={audit} />}
    </div>
  );
}

function Inventory({ list }: { list: Cert[] }): JSX.Element {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={t("report_inventory")}>
<table class="print-table">
      <thead>
        <tr>
          <th scope="col">{t("cert_name")}</th>
          <th scope="col">{t("state")}</th>
          <th scope="col">{t("names")}</th>
          <th scope="col">{t("ca")}</th>
          <th scope="col">{t("expires")}</th>
          <th scope="col">{t("targets")}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((c) => (
          <tr key={c.id}>
            <th scope="row">{c.name}</th>
            <td>
              <State of={c.health} />
            </td>
            <td>{c.names.join(", ")}</td>
            <td>{c.ca ?? c.issuer}</td>
            <td>{date(c.not_after)}</td>
            <td>
              {c.targets.deployed} / {c.targets.total}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
</div>
  );
}

function Expiry({ list }: { list: Cert[] }): JSX.Element {
  const months: [string, Cert[]][] = [];
  for (const c of list) {
    const m = monthYear(c.not_after);
    const last = months[months.length - 1];
    if (last && last[0] === m) last[1].push(c);
    else months.push([m, [c]]);
  }
  return (
    <>
      {months.map(([m, cs]) => (
        <section key={m}>
          <h2>
            {m} <span class="muted">{t("n_records", cs.length)}</span>
          </h2>
          <div class="scroll-x" tabIndex={0} role="group" aria-label={t("report_inventory")}>
<table class="print-table">
            <thead>
              <tr>
                <th scope="col">{t("expires")}</th>
                <th scope="col">{t("cert_name")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col">{t("next_renewal")}</th>
                <th scope="col">{t("ca")}</th>
              </tr>
            </thead>
            <tbody>
              {cs.map((c) => (
                <tr key={c.id}>
                  <td>
                    {date(c.not_after)} <span class="muted small">{relative(c.not_after)}</span>
                  </td>
                  <th scope="row">{c.name}</th>
                  <td>
                    <State of={c.health} />
                  </td>
                  <td>{c.renew_at ? date(c.renew_at) : "–"}</td>
                  <td>{c.ca ?? c.issuer}</td>
                </tr>
              ))}
            </tbody>
          </table>
</div>
        </section>
      ))}
    </>
  );
}

function AuditReport({ list }: { list: Audit[] }): JSX.Element {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={t("report_inventory")}>
<table class="print-table">
      <thead>
        <tr>
          <th scope="col">{t("when")}</th>
          <th scope="col">{t("who")}</th>
          <th scope="col">{t("what")}</th>
          <th scope="col">{t("on_what")}</th>
          <th scope="col">{t("result")}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((a) => (
          <tr key={a.id}>
            <td>{dateTime(a.at)}</td>
            <td>{a.actor}</td>
            <td>{a.action}</td>
            <td>{a.subject}</td>
            <td>{a.result}</td>
          </tr>
        ))}
      </tbody>
    </table>
</div>
  );
}
