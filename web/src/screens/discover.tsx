// 探索: what stands at many addresses, beside what Inro holds; taken under watch or management with a plan first.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, query, type Discovery, type DiscoveryDetail, type DiscoveryItem } from "../lib/api";
import { stateText, t } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { cn } from "../pic/pics";
import { Chip, Code, Empty, Fault, Field, Head, Loading, Panel, State, When, faultText, toast } from "../ui/basic";
import { ask } from "../ui/dialog";
import { GroupSelect } from "../ui/group";
import { Listing } from "../ui/list";
import { Table, usePages, type Column } from "../ui/table";
import { AdoptPlan } from "./adopt";

const working = (d: Discovery): boolean => d.state === "ready" || d.state === "running" || d.state === "blocked";

function Progress({ d }: { d: Discovery }): JSX.Element {
  return (
    <div class="discovering">
      {working(d) && <progress value={d.looked} max={d.total} aria-label={t("discover")} />}
      <span class="small muted">{t("discover_progress", d.looked, d.total, d.found)}</span>
    </div>
  );
}

export function DiscoverScreen(): JSX.Element {
  useTitle(t("discover"));
  const list = usePages<Discovery>("/discoveries", {}, ["discovery", "job"]);
  const columns: Column<Discovery>[] = [
    { id: "state", label: t("state"), width: "7.5rem", show: (d) => <State of={d.state} /> },
    { id: "name", label: t("discover_targets"), head: true, show: (d) => <A href={`/watch/discover/${d.id}`}>{d.name}</A> },
    { id: "found", label: t("finding"), width: "19rem", level: 2, show: (d) => <Progress d={d} /> },
    { id: "when", label: t("discover_when"), width: "10rem", level: 2, show: (d) => <When at={d.created} stack /> },
    { id: "by", label: t("discover_by"), width: "11rem", level: 3, show: (d) => <span class="muted">{d.actor}</span> },
  ];
  return (
    <>
      <Head up={["/watch", t("watch")]} title={t("discover")} lead={t("discover_lead")} />
      {canOperate() && (
        <Panel title={t("discover_new")} id="new">
          <NewDiscovery />
        </Panel>
      )}
      <Listing
        title={t("discover_before")}
        panel="before"
        none={t("discover_none")}
        noneText={canOperate() ? t("discover_none_text") : t("discover_waits")}
        list={list}
        columns={columns}
        link={(d) => `/watch/discover/${d.id}`}
        rowHeight={60}
      />
    </>
  );
}

function NewDiscovery(): JSX.Element {
  const [targets, setTargets] = useState("");
  const [ports, setPorts] = useState("443");
  const [group, setGroup] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const begin = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const made = await call<DiscoveryDetail>("POST", "/discoveries", {
        targets,
        ports: ports.split(/[\s,、]+/).filter(Boolean),
        ...(group ? { group } : {}),
      });
      go(`/watch/discover/${made.id}`);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <form class="form" onSubmit={(e) => void begin(e)}>
      <Field label={t("discover_targets")} value={targets} onValue={setTargets} rows={5} mono required placeholder={"192.0.2.0/24\nwww.example.jp"} help={t("discover_targets_help")} />
      <Field label={t("discover_ports")} value={ports} onValue={setPorts} help={t("discover_ports_help")} />
      <GroupSelect value={group} set={setGroup} />
      <Fault error={error} />
      <div class="actions">
        <button class="primary" disabled={busy}>
          {busy ? t("working") : t("discover_begin")}
        </button>
      </div>
    </form>
  );
}

// ---- one discovery ----
const relations = ["unknown", "other", "held", "no_tls", "nothing", "refused", "waiting"];

export function DiscoveryScreen({ id, place }: { id: string; place: Place }): JSX.Element {
  const d = useGet<DiscoveryDetail>(`/discoveries/${encodeURIComponent(id)}`, ["discovery", "job", "endpoint", "cert"]);
  const q = place.query.get("q") ?? "";
  const state = place.query.get("state") ?? "cert";
  const list = usePages<DiscoveryItem>(`/discoveries/${encodeURIComponent(id)}/items`, { q, state: state === "all" ? "" : state }, ["discovery", "job", "endpoint", "cert"]);
  const [selected, setSelected] = useState<Set<number>>(new Set());
  const [plan, setPlan] = useState<"watch" | "adopt" | null>(null);
  useTitle(d.value ? d.value.name : t("discover"));
  if (!d.value) return d.error ? <Fault error={d.error} retry={() => void d.reload()} /> : <Loading />;
  const v = d.value;
  const set = (change: Record<string, string>): void => {
    setSelected(new Set());
    go(`/watch/discover/${v.id}` + query({ q, state, ...change }), true);
  };
  const chip = (k: string, text: string, n: number): JSX.Element => (
    <Chip key={k} on={state === k} toggle={() => set({ state: k })}>
      {text} {n}
    </Chip>
  );
  const count = (k: string): number => v.relations[k] ?? 0;
  return (
    <>
      <Head
        up={["/watch/discover", t("discover")]}
        title={
          <>
            {v.name} <State of={v.state} />
          </>
        }
        lead={<Progress d={v} />}
      >
        {canOperate() && <End d={v} />}
      </Head>
      <div class="filters">
        <input type="search" class="search" placeholder={t("discover_search")} aria-label={t("discover_search")} value={q} onInput={(e) => set({ q: e.currentTarget.value })} />
        <div class="chips" role="group" aria-label={t("relation")}>
          {chip("cert", t("discover_certs"), count("unknown") + count("other") + count("held"))}
          {relations.filter((k) => count(k) > 0 || state === k).map((k) => chip(k, stateText("found_" + k).text, count(k)))}
          {chip("all", t("discover_all"), Object.values(v.relations).reduce((a, b) => a + b, 0))}
        </div>
      </div>
      {selected.size > 0 && (
        <div class="bulk" role="region" aria-label={t("bulk")}>
          <b>{t("n_selected", selected.size)}</b>
          <button onClick={() => setPlan("watch")}>{t("to_watch")}</button>
          <button class="primary" onClick={() => setPlan("adopt")}>
            {t("to_manage")}
          </button>
          <button class="quiet" onClick={() => setSelected(new Set())}>
            {t("deselect")}
          </button>
        </div>
      )}
      <Table
        label={t("discover")}
        {...list}
        retry={() => void list.reload()}
        columns={itemColumns()}
        rowHeight={64}
        selected={canOperate() ? selected : undefined}
        onSelect={canOperate() ? setSelected : undefined}
        empty={<NoItems d={v} state={state} q={q} clear={() => set({ q: "", state: "all" })} />}
      />
      {plan && (
        <AdoptPlan
          base={`/discoveries/${v.id}`}
          items={[...selected]}
          action={plan}
          close={() => setPlan(null)}
          done={() => {
            setSelected(new Set());
            void d.reload();
            void list.reload();
          }}
        />
      )}
    </>
  );
}

function NoItems({ d, state, q, clear }: { d: DiscoveryDetail; state: string; q: string; clear: () => void }): JSX.Element {
  if (state !== "cert" || q) return <Empty title={t("nothing_matches")} action={<button onClick={clear}>{t("filters_clear")}</button>} />;
  if (working(d)) return <Empty title={t("discover_nothing_yet")} />;
  return (
    <Empty title={t("discover_no_certs")} action={<button onClick={clear}>{t("discover_all")}</button>}>
      {t("discover_no_certs_text")}
    </Empty>
  );
}

function End({ d }: { d: DiscoveryDetail }): JSX.Element {
  if (working(d))
    return (
      <button
        onClick={() =>
          ask({
            title: t("discover_cancel_ask"),
            body: <p>{t("discover_cancel_what", d.looked, d.total)}</p>,
            action: t("discover_cancel"),
            run: () => call("POST", `/discoveries/${d.id}/cancel`),
          })
        }
      >
        {t("discover_cancel")}
      </button>
    );
  return (
    <button
      onClick={() =>
        ask({
          title: t("discover_remove_ask"),
          body: <p>{t("discover_remove_what")}</p>,
          action: t("remove"),
          danger: true,
          run: async () => {
            await call("DELETE", `/discoveries/${d.id}`);
            toast(t("removed"));
            go("/watch/discover");
          },
        })
      }
    >
      {t("remove")}
    </button>
  );
}

const itemColumns = (): Column<DiscoveryItem>[] => [
  { id: "relation", label: t("relation"), width: "8.5rem", show: (i) => <State of={"found_" + i.relation} /> },
  {
    id: "host",
    label: t("address"),
    width: "15rem",
    head: true,
    show: (i) => (
      <div class="two">
        <span class="mono">
          {i.host.includes(":") ? `[${i.host}]` : i.host}:{i.port}
        </span>
        <span class="muted small">
          {i.addr && i.addr !== i.host ? `${i.addr} ` : ""}
          {i.endpoint && <A href={`/watch/${i.endpoint}`}>{t("watched_mark")}</A>}
        </span>
      </div>
    ),
  },
  { id: "what", label: t("certificate"), show: (i) => <What i={i} /> },
  { id: "end", label: t("expires"), level: 2, width: "10rem", show: (i) => <When at={i.not_after} stack /> },
  { id: "print", label: t("fingerprint"), level: 3, width: "11rem", show: (i) => <Code text={i.sha256} short={12} /> },
];

function What({ i }: { i: DiscoveryItem }): JSX.Element {
  if (i.error) return <span class="small muted">{faultText(i.error)}</span>;
  if (!i.sha256) return <span class="muted">–</span>;
  const more = i.names.length - 1;
  const link = i.cert ? <A href={`/certs/${i.cert}`}>{t(i.relation === "held" ? "relation_held" : "relation_other", display(i.cert_name ?? `#${i.cert}`))}</A> : null;
  return (
    <div class="two">
      <span>
        {display(i.name ?? cn(i.subject))} {more > 0 && <span class="muted small">{t("more_names", more)}</span>}
      </span>
      <span class="muted small">
        {cn(i.issuer)} · {i.key} · {i.trusted ? t("trusted") : t("untrusted")}
        {link && <> · {link}</>}
      </span>
    </div>
  );
}
