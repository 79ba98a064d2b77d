// 申請 and all other work: what runs now step by step, and what was done.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { query, type Job, type Order } from "../lib/api";
import { pair, stateText, t, word } from "../lib/i18n";
import { useTitle, useJob } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { Chip, Empty, Head, State, Tabs, When, faultText } from "../ui/basic";
import { exportCsv } from "../ui/csv";
import { Dialog } from "../ui/dialog";
import { JobView, Subject } from "../ui/job";
import { Table, usePages, type Column } from "../ui/table";
import { ViewBar } from "./views";

type Tab = "open" | "orders" | "jobs";

export function OrdersScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("orders"));
  const tab = (place.query.get("tab") as Tab | null) ?? "open";
  const find: Find = { q: place.query.get("q") ?? "", state: place.query.get("state") ?? "" };
  const [shown, setShown] = useState<number | null>(null);
  const to = (v: Tab, f: Find): void => go("/orders" + query({ tab: v === "open" ? "" : v, ...f }), true);
  const set = (change: Partial<Find>): void => to(tab, { ...find, ...change });
  return (
    <>
      <Head title={t("orders")} lead={t("orders_lead")}>
        {canOperate() && (
          <A href="/certs/new" class="button primary">
            {t("request_cert")}
          </A>
        )}
      </Head>
      <Tabs<Tab>
        label={t("orders")}
        now={tab}
        to={(v) => to(v, { q: find.q, state: "" })}
        of={[
          ["open", t("running")],
          ["orders", t("orders_all")],
          ["jobs", t("jobs_all")],
        ]}
      />
      <Filters tab={tab} find={find} set={set} />
      {tab === "open" && <Jobs open find={find} show={setShown} />}
      {tab === "jobs" && <Jobs find={find} show={setShown} />}
      {tab === "orders" && <OrderList find={find} />}
      {shown !== null && <JobDialog id={shown} close={() => setShown(null)} />}
    </>
  );
}

interface Find {
  q: string;
  state: string;
}

const chips: Record<Tab, readonly string[]> = {
  open: ["ready", "running", "blocked"],
  orders: ["open", "done", "failed", "cancelled"],
  jobs: ["ready", "running", "blocked", "done", "failed", "cancelled"],
};
const shownState = (tab: Tab, s: string): string => (tab === "orders" && s === "open" ? "ordering" : s);

function Filters({ tab, find, set }: { tab: Tab; find: Find; set: (f: Partial<Find>) => void }): JSX.Element {
  const hint = tab === "orders" ? t("orders_search") : t("jobs_search");
  return (
    <>
      <div class="filters">
        <input type="search" class="search" placeholder={hint} aria-label={hint} value={find.q} onInput={(e) => set({ q: e.currentTarget.value })} />
        <div class="chips" role="group" aria-label={t("state")}>
          {chips[tab].map((s) => (
            <Chip key={s} on={find.state === s} toggle={() => set({ state: find.state === s ? "" : s })}>
              {stateText(shownState(tab, s)).text}
            </Chip>
          ))}
        </div>
      </div>
      <ViewBar screen="orders" filtered={!!(find.q || find.state)} bare={"/orders" + (tab === "open" ? "" : "?tab=" + tab)} csv={() => (tab === "orders" ? ordersCsv(find) : jobsCsv(find, tab === "open"))} />
    </>
  );
}

const narrowed = (find: Find): boolean => !!(find.q || find.state);

const ordersCsv = (find: Find): Promise<void> =>
  exportCsv<Order>({
    path: "/orders",
    params: { ...find },
    cursor: "before",
    name: "applications",
    head: [t("state"), t("certificate"), t("cause"), t("version"), t("fault"), t("started_at"), t("changed")],
    row: (o) => [stateText(shownState("orders", o.state)).text, o.cert_name, word("reason." + (o.reason ?? "")), o.version || "", o.error ? faultText(o.error) : "", o.created, o.updated],
  });

const jobsCsv = (find: Find, open: boolean): Promise<void> =>
  exportCsv<Job>({
    path: "/jobs",
    params: { ...find, open, work: true },
    name: "jobs",
    head: [t("state"), t("work"), t("on_what"), t("details"), t("started_at"), t("changed")],
    row: (j) => [stateText(j.state).text, word("job." + j.kind), j.subject_name ?? j.subject, j.error ? faultText(j.error) : pair(j.activity), j.created, j.updated],
  });

function JobDialog({ id, close }: { id: number; close: () => void }): JSX.Element {
  const [job] = useJob(id);
  return (
    <Dialog title={job ? `${word("job." + job.kind)} – ${display(job.subject_name ?? job.subject)}` : t("loading")} onClose={close} wide>
      {job && <JobView job={job} />}
    </Dialog>
  );
}

function Jobs({ open = false, find, show }: { open?: boolean; find: Find; show: (id: number) => void }): JSX.Element {
  const list = usePages<Job>("/jobs", { ...find, open, work: true }, ["job"]);
  const columns: Column<Job>[] = [
    { id: "state", label: t("state"), width: "9.5rem", show: (j) => <State of={j.state} /> },
    {
      id: "what",
      label: t("work"),
      head: true,
      show: (j) => (
        <div class="two">
          <span>
            {word("job." + j.kind)} <Subject of={j.subject} name={j.subject_name} />
          </span>
          <span class="muted small">{j.state === "done" ? t("done_text") : j.error ? faultText(j.error) : pair(j.activity) || word("step." + j.step)}</span>
        </div>
      ),
    },
    { id: "at", label: t("changed"), width: "13rem", level: 2, show: (j) => <When at={j.updated} stack time /> },
    {
      id: "more",
      label: t("details"),
      width: "7rem",
      level: 2,
      show: (j) => (
        <button class="quiet" onClick={() => show(j.id)} aria-label={`${t("details")} ${j.subject_name ?? j.subject}`}>
          {t("details")}
        </button>
      ),
    },
  ];
  return <Table label={t("jobs_all")} {...list} retry={() => void list.reload()} columns={columns} rowHeight={60} empty={narrowed(find) ? <Empty title={t("nothing_matches")} /> : <Empty title={open ? t("running_none") : t("jobs_none")}>{t("jobs_none_text")}</Empty>} />;
}

function OrderList({ find }: { find: Find }): JSX.Element {
  const list = usePages<Order>("/orders", { ...find }, ["job", "order"], "before");
  const columns: Column<Order>[] = [
    { id: "state", label: t("state"), width: "9.5rem", show: (o) => <State of={o.state === "open" ? "ordering" : o.state} /> },
    {
      id: "cert",
      label: t("certificate"),
      head: true,
      show: (o) => (
        <div class="two">
          <A href={`/certs/${o.cert}`}>{o.cert_name ? display(o.cert_name) : `#${o.cert}`}</A>
          <span class="muted small">{o.error ? faultText(o.error) : word("reason." + (o.reason ?? ""))}</span>
        </div>
      ),
    },
    { id: "version", label: t("version"), width: "7rem", level: 3, show: (o) => (o.version ? `#${o.version}` : "–") },
    { id: "at", label: t("started_at"), width: "13rem", level: 2, show: (o) => <When at={o.created} stack time /> },
  ];
  return <Table label={t("orders_all")} {...list} retry={() => void list.reload()} columns={columns} link={(o) => `/certs/${o.cert}`} empty={narrowed(find) ? <Empty title={t("nothing_matches")} /> : <Empty title={t("orders_none")}>{t("orders_lead")}</Empty>} />;
}
