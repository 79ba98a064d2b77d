// 申請 and all other work: what runs now step by step, and what was done.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Job, Order } from "../lib/api";
import { pair, t, word } from "../lib/i18n";
import { useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { Empty, Head, State, Tabs, When, faultText } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { JobView, Subject, useJob } from "../ui/job";
import { Table, usePages, type Column } from "../ui/table";

type Tab = "open" | "orders" | "jobs";

export function OrdersScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("orders"));
  const tab = (place.query.get("tab") as Tab | null) ?? "open";
  const [shown, setShown] = useState<number | null>(null);
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
        to={(v) => go("/orders" + (v === "open" ? "" : "?tab=" + v), true)}
        of={[
          ["open", t("running")],
          ["orders", t("orders_all")],
          ["jobs", t("jobs_all")],
        ]}
      />
      {tab === "open" && <Jobs open show={setShown} />}
      {tab === "jobs" && <Jobs show={setShown} />}
      {tab === "orders" && <OrderList />}
      {shown !== null && <JobDialog id={shown} close={() => setShown(null)} />}
    </>
  );
}

function JobDialog({ id, close }: { id: number; close: () => void }): JSX.Element {
  const [job] = useJob(id);
  return (
    <Dialog title={job ? `${word("job." + job.kind)} – ${display(job.subject_name ?? job.subject)}` : t("loading")} onClose={close} wide>
      {job && <JobView job={job} />}
    </Dialog>
  );
}

function Jobs({ open = false, show }: { open?: boolean; show: (id: number) => void }): JSX.Element {
  const list = usePages<Job>("/jobs", { open, work: true }, ["job"]);
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
  return <Table label={t("jobs_all")} {...list} retry={() => void list.reload()} columns={columns} rowHeight={60} empty={<Empty title={open ? t("running_none") : t("jobs_none")}>{t("jobs_none_text")}</Empty>} />;
}

function OrderList(): JSX.Element {
  const list = usePages<Order>("/orders", {}, ["job", "order"], "before");
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
  return <Table label={t("orders_all")} {...list} retry={() => void list.reload()} columns={columns} link={(o) => `/certs/${o.cert}`} empty={<Empty title={t("orders_none")}>{t("orders_lead")}</Empty>} />;
}
