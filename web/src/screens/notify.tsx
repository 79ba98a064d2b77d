// 通知: channels, who is told what, what was sent, and what a channel would have had last month.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Connector, ErrorBody, Group, Page, Schemas } from "../lib/api";
import { date, pair, t, word } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { Empty, Head, Select, State, Tabs, When, faultText } from "../ui/basic";
import { Subject } from "../ui/job";
import { Table, usePages, type Column } from "../ui/table";
import { ConnectorTable } from "./connectors";
import { ruleWords, usualDays } from "./groups";

type Delivery = Schemas["Delivery"];
type Notice = Schemas["Notice"] & { data: { name?: string | null; target?: string | null; not_after?: string | null; days?: number; error?: ErrorBody | null } | null };
type Tab = "channels" | "rules" | "history" | "events";

export function NotifyScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("notify"));
  const tab = (place.query.get("tab") as Tab | null) ?? "channels";
  return (
    <>
      <Head title={t("notify")} lead={t("notify_lead")}>
        {isAdmin() && (
          <A href="/notify/new" class="button primary">
            {t("notifier_add")}
          </A>
        )}
      </Head>
      <Tabs<Tab>
        label={t("notify")}
        now={tab}
        to={(v) => go("/notify" + (v === "channels" ? "" : "?tab=" + v), true)}
        of={[
          ["channels", t("notifiers")],
          ["rules", t("rules")],
          ["history", t("deliveries")],
          ["events", t("notices")],
        ]}
      />
      {tab === "channels" && <ConnectorTable kind="notifier" />}
      {tab === "rules" && <Rules />}
      {tab === "history" && <Deliveries />}
      {tab === "events" && <Notices />}
    </>
  );
}

/** Group by group, who is told of what; and what belongs to no group. */
function Rules(): JSX.Element {
  const groups = useGet<Page<Group>>("/groups", ["group"]);
  const columns: Column<Group>[] = [
    { id: "name", label: t("groups"), head: true, show: (g) => <A href={`/settings/groups/${g.id}`}>{g.name}</A> },
    { id: "to", label: t("recipients"), show: (g) => ruleWords(g.notify).to || <span class="muted">{t("rules_channel")}</span> },
    { id: "days", label: t("days_before"), width: "12rem", level: 2, show: (g) => ruleWords(g.notify).days },
    { id: "events", label: t("events"), level: 2, show: (g) => <span class="small">{ruleWords(g.notify).events}</span> },
    { id: "lang", label: t("language"), width: "7rem", level: 3, show: (g) => ruleWords(g.notify).lang },
  ];
  return (
    <>
      <p class="lead">{t("rules_text")}</p>
      <Table
        label={t("rules")}
        rows={groups.value?.items ?? null}
        error={groups.error}
        retry={() => void groups.reload()}
        columns={columns}
        link={(g) => `/settings/groups/${g.id}`}
        empty={
          <Empty title={t("groups_none")} action={isAdmin() && <A href="/settings/groups" class="button">{t("groups")}</A>}>
            {t("groups_none_text")}
          </Empty>
        }
      />
      <p class="muted">{t("rules_rest", usualDays.join(", "))}</p>
    </>
  );
}

function Deliveries(): JSX.Element {
  const list = usePages<Delivery>("/deliveries", {}, ["notice", "job"]);
  const channels = useGet<Page<Connector>>("/notifiers?limit=500").value?.items ?? [];
  const columns: Column<Delivery>[] = [
    { id: "state", label: t("state"), width: "8.5rem", show: (d) => <State of={d.state} /> },
    {
      id: "what",
      label: t("message"),
      head: true,
      show: (d) => (
        <div class="two">
          <span>
            {word("event." + d.event)} <Subject of={d.subject} name={d.subject_name} />
          </span>
          <span class="muted small">{d.error && d.state !== "sent" ? faultText(d.error) : (d.reply ?? "")}</span>
        </div>
      ),
    },
    { id: "to", label: t("channel"), width: "11rem", level: 2, show: (d) => channels.find((c) => c.id === d.notifier)?.name ?? `#${d.notifier}` },
    { id: "at", label: t("created_at"), width: "13rem", level: 2, show: (d) => <When at={d.created} stack time /> },
  ];
  return <Table label={t("deliveries")} {...list} retry={() => void list.reload()} columns={columns} rowHeight={60} empty={<Empty title={t("deliveries_none")}>{t("deliveries_none_text")}</Empty>} />;
}

/** What people were told, and what a rule would have made of it: by event and month. */
function Notices(): JSX.Element {
  const [event, setEvent] = useState("");
  const list = usePages<Notice>("/notices", {}, ["notice"]);
  const rows = list.rows === null ? null : list.rows.filter((n) => !event || n.event === event);
  const seen = [...new Set((list.rows ?? []).map((n) => n.event))].sort();
  const monthAgo = Date.now() - 31 * 86400000;
  const lastMonth = (rows ?? []).filter((n) => new Date(n.created).getTime() > monthAgo).length;
  const columns: Column<Notice>[] = [
    { id: "event", label: t("event"), width: "16rem", show: (n) => word("event." + n.event) },
    { id: "what", label: t("about"), head: true, show: (n) => <Subject of={n.subject} name={n.data?.name ?? n.subject_name} /> },
    { id: "why", label: t("details"), level: 2, show: (n) => <span class="small">{n.data?.error ? pair(n.data.error.message) : n.data?.not_after ? t("until", date(n.data.not_after)) : ""}</span> },
    { id: "at", label: t("created_at"), width: "13rem", level: 2, show: (n) => <When at={n.created} stack time /> },
  ];
  return (
    <>
      <div class="filters">
        <Select hideLabel label={t("event")} value={event} of={[["", t("all_events")], ...seen.map((e): [string, string] => [e, word("event." + e)])]} onValue={setEvent} />
        <p class="muted">{t("last_month", lastMonth)}</p>
      </div>
      <Table label={t("notices")} {...list} rows={rows} retry={() => void list.reload()} columns={columns} empty={<Empty title={t("notices_none")}>{t("notices_none_text")}</Empty>} />
    </>
  );
}
