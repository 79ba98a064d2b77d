import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call, type Cert, type Job, type Page } from "./api";
import { date, dateTime, pair, relative, t } from "./i18n";
import { Fault, Panel, State, faultText } from "./ui";

const PAGE = 50;

export function Running({ jobs }: { jobs: Job[] }): JSX.Element {
  return (
    <Panel title={t("running")} id="running">
      <ul class="jobs" aria-live="polite">
        {jobs.map((j) => (
          <li key={j.id} class="job">
            <State of={j.state} />
            <span class="subject">
              {j.kind} <b>{j.subject}</b>
            </span>
            <span class="activity">{j.error ? faultText(j.error) : pair(j.activity) || j.step}</span>
            {j.error && j.run_at && (
              <span class="muted">
                {t("retryAt")} {dateTime(j.run_at)}
              </span>
            )}
          </li>
        ))}
        {jobs.length === 0 && <li class="muted">{t("runningNone")}</li>}
      </ul>
    </Panel>
  );
}

export function CertList({ tick, onOpen }: { tick: number; onOpen: (id: number) => void }): JSX.Element {
  const [items, setItems] = useState<Cert[] | null>(null);
  const [next, setNext] = useState<number | null>(null);
  const [q, setQ] = useState("");
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(0);
  const load = useCallback(
    async (after: number | null): Promise<void> => {
      const mine = ++asked.current;
      try {
        const query = new URLSearchParams({ limit: String(PAGE), ...(q && { q }), ...(after && { after: String(after) }) });
        const page = await call<Page<Cert>>("GET", `/certs?${query}`);
        if (mine !== asked.current) return; // a newer question is under way
        setItems((before) => (after && before ? [...before, ...page.items] : page.items));
        setNext(page.next);
        setError(null);
      } catch (x) {
        setError(x);
      }
    },
    [q],
  );
  useEffect(() => {
    const wait = setTimeout(() => void load(null), 150);
    return () => clearTimeout(wait);
  }, [load, tick]);
  return (
    <Panel title={t("certificates")} id="certificates">
      <input
        type="search"
        class="search"
        placeholder={t("search")}
        aria-label={t("search")}
        value={q}
        onInput={(e) => setQ(e.currentTarget.value)}
      />
      <Fault error={error} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{t("state")}</th>
              <th scope="col">{t("name")}</th>
              <th scope="col">{t("expires")}</th>
              <th scope="col">{t("renewal")}</th>
              <th scope="col">{t("targets")}</th>
              <th scope="col">{t("issuer")}</th>
              <th scope="col">{t("key")}</th>
            </tr>
          </thead>
          <tbody>
            {(items ?? []).map((c) => (
              <Row key={c.id} cert={c} onOpen={onOpen} />
            ))}
          </tbody>
        </table>
      </div>
      {items === null && !error && <p class="muted">{t("loading")}</p>}
      {items?.length === 0 && <p class="muted">{q ? t("notFound") : t("noneYet")}</p>}
      {next !== null && next !== undefined && (
        <button onClick={() => void load(next)}>{t("more")}</button>
      )}
    </Panel>
  );
}

function Row({ cert: c, onOpen }: { cert: Cert; onOpen: (id: number) => void }): JSX.Element {
  const others = c.names.filter((n) => n !== c.name);
  return (
    <tr>
      <td>
        <State of={c.health} />
      </td>
      <th scope="row">
        <button class="link" onClick={() => onOpen(c.id)}>
          {c.name}
        </button>
        {others.length > 0 && <div class="muted small">{others.slice(0, 4).join(", ")}{others.length > 4 ? " …" : ""}</div>}
      </th>
      <td>
        {date(c.not_after)}
        <div class="muted small">{relative(c.not_after)}</div>
      </td>
      <td>
        {date(c.renew_at)}
        <div class="muted small">{relative(c.renew_at)}</div>
      </td>
      <td>
        {c.targets.deployed}/{c.targets.total}
        {c.targets.failed > 0 && <div><State of="deploy_failed" /></div>}
      </td>
      <td class="clip">{c.issuer ?? "–"}</td>
      <td>{c.key}</td>
    </tr>
  );
}
