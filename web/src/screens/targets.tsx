// 適用先: the list, found by the server; and what one target's page says of its use: which
// certificates are there, what watches them, what was deployed here.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, query, type Binding, type Connector, type Deployment, type Endpoint, type Page, type Target } from "../lib/api";
import { getLang, stateText, t } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate, isAdmin } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { Chip, Empty, Fault, Loading, Panel, Select, State, When, errorText, faultText, toast } from "../ui/basic";
import { exportCsv } from "../ui/csv";
import { ask } from "../ui/dialog";
import { useTypes } from "../ui/form";
import { Listing, rowsOf } from "../ui/list";
import { Table, usePages, type Column } from "../ui/table";
import { deploymentColumns } from "./deployments";
import { ViewBar } from "./views";

/** The address of a connector as a person would say it. */
export function whereOf(c: Connector): string {
  const s = c.settings ?? {};
  const host = s["host"] ?? s["directory"] ?? s["url"] ?? s["common_name"];
  if (host) return String(host) + (s["port"] ? `:${String(s["port"])}` : "");
  return s["via"] === "local" ? t("this_machine") : "";
}

/** "new" of a certificate is that nobody applied for it; of a place, that nothing was put there. */
export const placed = (state: string): string => (state === "new" ? "unapplied" : state);

const states = ["failed", "drift", "new", "deployed", "unused"] as const;

export function TargetsScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("targets"));
  const at = place.query;
  const [q, type, state, sort] = [at.get("q") ?? "", at.get("type") ?? "", at.get("state") ?? "", at.get("sort") ?? ""];
  const on = new Set(state.split(",").filter(Boolean));
  const params = { q, type, state, sort };
  const list = usePages<Target>("/targets", params, ["target", "cert", "deployment"]);
  const types = useTypes("target", getLang());
  const typeName = (c: Connector): string => types?.find((x) => x.id === c.type)?.name ?? c.type;
  const set = (change: Record<string, string>): void => go("/targets" + query({ ...params, ...change }), true);
  const toggle = (s: string): void => {
    if (!on.delete(s)) on.add(s);
    set({ state: [...on].join(",") });
  };
  const filtered = !!(q || type || state);
  const columns: Column<Target>[] = [
    { id: "state", label: t("state"), width: "10rem", show: (c) => <State of={placed(c.applied)} /> },
    {
      id: "name",
      label: t("name"),
      sort: "name",
      head: true,
      show: (c) => (
        <div class="two">
          <A href={`/targets/${c.id}`}>{c.name}</A>
          <span class="muted small">{whereOf(c)}</span>
        </div>
      ),
    },
    { id: "type", label: t("type"), level: 2, width: "12rem", show: (c) => <span class="line">{typeName(c)}</span> },
    { id: "certs", label: t("certificates"), level: 2, width: "7rem", num: true, show: (c) => c.certs || <span class="muted">–</span> },
    { id: "applied", label: t("last_applied"), level: 2, width: "10rem", show: (c) => <When at={c.applied_at} stack /> },
  ];
  return (
    <Listing
      title={t("targets")}
      lead={t("targets_lead")}
      add={isAdmin() && { text: t("target_add"), to: "/targets/new" }}
      search={{ hint: t("targets_search"), q, set: (v) => set({ q: v }) }}
      filters={
        <>
          <div class="chips" role="group" aria-label={t("state")}>
            {states.map((s) => (
              <Chip key={s} on={on.has(s)} toggle={() => toggle(s)}>
                {stateText(placed(s)).text}
              </Chip>
            ))}
          </div>
          {(types?.length ?? 0) > 1 && (
            <Select hideLabel label={t("type")} value={type} of={[["", t("any_type")], ...(types ?? []).map((x): [string, string] => [x.id, x.name])]} onValue={(v) => set({ type: v })} />
          )}
        </>
      }
      bar={
        <ViewBar
          screen="targets"
          filtered={filtered}
          csv={() =>
            exportCsv<Target>({
              path: "/targets",
              params,
              name: "targets",
              head: [t("name"), t("where"), t("type"), t("state"), t("certificates"), t("last_applied"), t("owner_group")],
              row: (c) => [c.name, whereOf(c), typeName(c), stateText(placed(c.applied)).text, c.certs, c.applied_at, c.group],
            })
          }
        />
      }
      clear={filtered && (() => go("/targets", true))}
      none={t("targets_none")}
      noneText={t("targets_none_text")}
      list={list}
      columns={columns}
      sort={sort || "name"}
      onSort={(s) => set({ sort: s === "name" ? "" : s })}
      link={(c) => `/targets/${c.id}`}
    />
  );
}

export function TargetUse({ c, bind }: { c: Connector; bind: () => void }): JSX.Element {
  return (
    <>
      <Certificates c={c} bind={bind} />
      <Watched c={c} />
      <History c={c} />
    </>
  );
}

const placeText = (b: Binding): string[] =>
  Object.values(b.place ?? {})
    .filter((x) => typeof x === "string" || typeof x === "number")
    .map(String);

function Certificates({ c, bind }: { c: Connector; bind: () => void }): JSX.Element {
  const list = useGet<Page<Binding>>(`/bindings?target=${c.id}`, ["cert", "target", "deployment", "job"]);
  const [busy, setBusy] = useState(0);
  const deploy = async (b: Binding): Promise<void> => {
    setBusy(b.id);
    try {
      await call("POST", `/certs/${b.cert}/deploy`, { binding: b.id });
      toast(t("bulk_started"));
    } catch (x) {
      toast(errorText(x));
    } finally {
      setBusy(0);
    }
  };
  const unbind = (b: Binding): void =>
    ask({
      title: t("unbind_ask", c.name),
      body: <p>{t("unbind_what", c.name)}</p>,
      action: t("unbind"),
      danger: true,
      run: async () => {
        await call("DELETE", `/bindings/${b.id}`);
        await list.reload();
      },
    });
  const columns: Column<Binding>[] = [
    { id: "state", label: t("state"), width: "8.5rem", show: (b) => <State of={placed(b.state)} /> },
    {
      id: "cert",
      label: t("certificate"),
      head: true,
      show: (b) => (
        <>
          <A href={`/certs/${b.cert}`}>{b.cert_name ? display(b.cert_name) : `#${b.cert}`}</A>
          {b.error && (
            <p class="cell-fault bad-text small" title={faultText(b.error)}>
              {faultText(b.error)}
            </p>
          )}
        </>
      ),
    },
    { id: "version", label: t("proven_version"), level: 2, width: "8rem", show: (b) => <ProvenVersion b={b} /> },
    { id: "expires", label: t("expires"), width: "9rem", show: (b) => <When at={b.not_after} stack /> },
    {
      id: "place",
      label: t("place"),
      level: 2,
      width: "18rem",
      show: (b) => (
        <div class="small mono">
          {placeText(b).map((x) => (
            <div key={x}>{x}</div>
          ))}
        </div>
      ),
    },
    ...(canOperate()
      ? [
          {
            id: "do",
            label: t("actions"),
            level: 2 as const,
            width: "12rem",
            show: (b: Binding) => (
              <span class="row-actions">
                {b.cert_version !== null && (
                  <button class="quiet" disabled={busy === b.id} onClick={() => void deploy(b)}>
                    {t("deploy_here")}
                  </button>
                )}
                <button class="quiet danger-text" onClick={() => unbind(b)}>
                  {t("unbind")}
                </button>
              </span>
            ),
          },
        ]
      : []),
  ];
  const none = (
    <Empty
      title={t("target_certs_none")}
      action={
        <>
          {canOperate() && (
            <button class="primary" onClick={bind}>
              {t("bind_add")}
            </button>
          )}
          <A href="/certs" class="button">
            {t("certificates")}
          </A>
        </>
      }
    >
      {t("target_certs_none_text")}
    </Empty>
  );
  return (
    <Panel title={t("target_certs")} id="bindings">
      <Table label={t("target_certs")} {...rowsOf(list)} retry={() => void list.reload()} columns={columns} empty={none} />
    </Panel>
  );
}

function ProvenVersion({ b }: { b: Binding }): JSX.Element {
  if (!b.version) return <span class="muted">–</span>;
  return (
    <span class="two">
      <span>#{b.version}</span>
      {b.cert_version !== null && b.cert_version !== b.version && <span class="muted small">{t("in_service_is", b.cert_version)}</span>}
    </span>
  );
}

function Watched({ c }: { c: Connector }): JSX.Element {
  const list = useGet<Page<Endpoint>>(`/endpoints?target=${c.id}&limit=100`, ["endpoint"]);
  const rows = list.value?.items ?? [];
  return (
    <Panel title={t("target_watch")} id="watched" side={canOperate() && <A href="/watch?add=1">＋ {t("watch_add")}</A>}>
      <p class="lead">{t("target_watch_text")}</p>
      {list.error ? <Fault error={list.error} retry={() => void list.reload()} /> : !list.value ? <Loading /> : null}
      {list.value && rows.length === 0 && <p class="muted">{t("target_watch_none")}</p>}
      <ul class="lines">
        {rows.map((e) => (
          <li key={e.id}>
            <State of={e.state === "new" ? "looking" : e.state} />{" "}
            <A href={`/watch/${e.id}`}>
              {e.host}:{e.port}
            </A>{" "}
            <span class="muted small">{e.cert_name ? display(e.cert_name) : ""}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function History({ c }: { c: Connector }): JSX.Element {
  const list = usePages<Deployment>("/deployments", { target: c.id }, ["deployment", "job"], "after", 20);
  return (
    <Panel title={t("target_history")} id="history" side={!!list.rows?.length && <A href={`/deployments?target=${encodeURIComponent(c.name)}`}>{t("as_list")}</A>}>
      <Table
        label={t("target_history")}
        {...list}
        retry={() => void list.reload()}
        columns={deploymentColumns()}
        link={(d) => `/deployments/${d.id}`}
        empty={<p class="muted">{t("target_history_none")}</p>}
      />
    </Panel>
  );
}
