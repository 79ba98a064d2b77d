// 監査ログ: who did what, when, from where; filters, the proof that nothing was changed, export.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, download, get, query, type Audit, type Page } from "../lib/api";
import { getLang, number, t, word } from "../lib/i18n";
import { useSettled, useTitle } from "../lib/hooks";
import { A, go, type Place } from "../lib/router";
import { Empty, Fault, Head, When } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { Subject } from "../ui/job";
import { Table, usePages, type Column } from "../ui/table";
import { ViewBar } from "./views";

type Doc = { paths: Record<string, Record<string, { operationId?: string; summary?: string; "x-summary-ja"?: string }>> };
let doc: Promise<Doc> | null = null;

/** What the server's own description calls its actions, so that none is forgotten here. */
export function useActions(): { name: (id: string) => string; matching: (text: string) => string } {
  const [names, set] = useState<Map<string, [string, string]>>(new Map());
  useEffect(() => {
    doc ??= get<Doc>("/openapi.json");
    doc.then(
      (d) => {
        const m = new Map<string, [string, string]>();
        for (const methods of Object.values(d.paths)) for (const o of Object.values(methods)) if (o.operationId) m.set(o.operationId, [o.summary ?? "", o["x-summary-ja"] ?? ""]);
        set(m);
      },
      () => {
        doc = null;
      },
    );
  }, []);
  // What jobs and the command line record is no route: it has a word of ours.
  const own = (id: string): string => (word("done." + id) === "done." + id ? id : word("done." + id));
  const name = (id: string): string => names.get(id)?.[getLang() === "ja" ? 1 : 0] || own(id);
  // The log keeps the ids; a person searches for what the screen calls them.
  const matching = (text: string): string =>
    [...names.keys()]
      .filter((id) => text && name(id).toLowerCase().includes(text))
      .slice(0, 60)
      .join(",");
  return { name, matching };
}

/** Who it was: a person by the address, a job by its number, the command line by its user. */
export function Actor({ of }: { of: string | null }): JSX.Element {
  const job = /^job\/(\d+)$/.exec(of ?? "");
  const uid = /^cli:uid=(\d+)$/.exec(of ?? "");
  const text = job ? t("actor_job", job[1] ?? "") : uid ? t("actor_cli", uid[1] ?? "") : of === "anonymous" ? t("actor_nobody") : (of ?? "–");
  return <span title={of ?? undefined}>{text}</span>;
}

export function Result({ of }: { of: string | null }): JSX.Element {
  if (of === "ok") return <span>✓ {t("ok")}</span>;
  return (
    <span class="two">
      <span class="bad-text">✕ {t("refused")}</span>
      <span class="muted small mono">{of}</span>
    </span>
  );
}

export function AuditScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("audit"));
  const { name: action, matching } = useActions();
  const q = place.query.get("q") ?? "";
  const subject = place.query.get("subject") ?? "";
  const text = useSettled(q.trim());
  const list = usePages<Audit>("/audit", { subject, q: text, actions: matching(text.toLowerCase()) }, ["job", "cert"], "before");
  const [shown, setShown] = useState<Audit | null>(null);
  const [whole, setWhole] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const columns: Column<Audit>[] = [
    { id: "at", label: t("when"), width: "13rem", show: (a) => <When at={a.at} stack time /> },
    { id: "who", label: t("who"), level: 2, width: "13rem", show: (a) => <div class="two"><Actor of={a.actor} /><span class="muted small">{a.origin}</span></div> },
    { id: "what", label: t("what"), head: true, show: (a) => <div class="two"><span>{action(a.action)}</span><span class="muted small mono">{a.action}</span></div> },
    { id: "on", label: t("on_what"), level: 2, width: "13rem", show: (a) => <Subject of={a.subject} name={a.subject_name} /> },
    { id: "result", label: t("result"), width: "9rem", show: (a) => <Result of={a.result} /> },
    {
      id: "more",
      label: t("details"),
      level: 3,
      width: "6rem",
      show: (a) => (
        <button class="quiet" onClick={() => setShown(a)} aria-label={`${t("details")} ${a.id}`}>
          {t("details")}
        </button>
      ),
    },
  ];
  const verify = async (): Promise<void> => {
    setError(null);
    setWhole(null);
    try {
      const a = await call<{ records: number }>("POST", "/audit/verify");
      setWhole(t("audit_whole", number(a.records)));
    } catch (x) {
      setError(x);
    }
  };
  return (
    <>
      <Head title={t("audit")} lead={t("audit_lead")}>
        <button onClick={() => void verify()}>{t("audit_verify")}</button>
      </Head>
      <Fault error={error} />
      {whole && (
        <p class="note good" role="status">
          ✓ {whole}
        </p>
      )}
      <div class="filters">
        <input
          type="search"
          class="search"
          placeholder={t("audit_search")}
          aria-label={t("audit_search")}
          value={q}
          onInput={(e) => go("/audit" + query({ q: e.currentTarget.value, subject }), true)}
        />
        {subject && (
          <button class="chip" aria-pressed="true" onClick={() => go("/audit" + query({ q }), true)}>
            {subject.replace(/^([a-z_]+)\/?/, (whole: string, k: string) => (word("kind." + k) === "kind." + k ? whole : word("kind." + k)))} ✕
          </button>
        )}
      </div>
      <ViewBar
        screen="audit"
        filtered={!!(q || subject)}
        csv={() => download("/audit/export" + query({ format: "csv", subject, q: text, actions: matching(text.toLowerCase()) }), "inro-audit.csv")}
      >
        <A href="/report/audit" class="quiet button">
          {t("print_report")}
        </A>
      </ViewBar>
      <Table label={t("audit")} {...list} retry={() => void list.reload()} columns={columns} rowHeight={60} empty={<Empty title={t("nothing_matches")} />} />
      {shown && (
        <Dialog title={action(shown.action)} onClose={() => setShown(null)} wide>
          <pre class="json">{JSON.stringify(shown, null, 2)}</pre>
        </Dialog>
      )}
    </>
  );
}

export async function allAudit(limit = 100000): Promise<Audit[]> {
  const rows: Audit[] = [];
  let before: number | string | null = 0;
  do {
    const page: Page<Audit> = await get<Page<Audit>>(`/audit${query({ limit: 500, before })}`);
    rows.push(...page.items);
    before = page.next;
  } while (before !== null && rows.length < limit);
  return rows;
}
