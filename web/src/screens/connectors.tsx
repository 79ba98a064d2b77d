// CA accounts, targets and notifiers: one set of screens for the three, forms from the field tables.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, type Connector, type Job, type Message, type TypeSchema } from "../lib/api";
import { duration, getLang, pair, size, relative, t, type Key } from "../lib/i18n";
import { useGet, useTitle, useJob } from "../lib/hooks";
import { canOperate, isAdmin } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { Code, Facts, Fault, Field, Head, Loading, Panel, State, When, faultText, toast } from "../ui/basic";
import { ask } from "../ui/dialog";
import { Fields, applies, faultAt, outgoing, useTypes, type Values } from "../ui/form";
import { Listing } from "../ui/list";
import { SaveEnd, useSave } from "../ui/save";
import { GroupSelect } from "../ui/group";
import { JobView } from "../ui/job";
import { usePages, type Column } from "../ui/table";
import { BindDialog } from "./binding";
import { HostKey } from "./hostkey";
import { TargetUse, TargetsScreen, whereOf } from "./targets";

export interface KindWords {
  path: "/cas" | "/targets" | "/notifiers" | "/backup-stores";
  base: string;
  title: Key;
  lead: Key;
  add: Key;
  none: Key;
  noneText: Key;
  /** The screen whose list it stands in, where that is not its own. */
  home?: string;
}
export const kindWords: Record<string, KindWords> = {
  ca: { path: "/cas", base: "/cas", title: "cas", lead: "cas_lead", add: "ca_add", none: "cas_none", noneText: "cas_none_text" },
  target: { path: "/targets", base: "/targets", title: "targets", lead: "targets_lead", add: "target_add", none: "targets_none", noneText: "targets_none_text" },
  notifier: { path: "/notifiers", base: "/notify", title: "notifiers", lead: "notifiers_lead", add: "notifier_add", none: "notifiers_none", noneText: "notifiers_none_text" },
  backup: { path: "/backup-stores", base: "/backup-stores", title: "backup_stores", lead: "backup_stores_lead", add: "backup_store_add", none: "backup_stores_none", noneText: "backup_stores_none_text", home: "/settings/backup" },
};

export function ConnectorsScreen({ kind, id, place }: { kind: string; id?: string; place: Place }): JSX.Element {
  if (id === "new") return <NewConnector kind={kind} first={place.query.get("type") ?? ""} />;
  if (id) return <ConnectorScreen kind={kind} id={id} edit={place.query.get("edit") === "1"} />;
  return kind === "target" ? <TargetsScreen place={place} /> : <ConnectorList kind={kind} />;
}

function ConnectorList({ kind }: { kind: string }): JSX.Element {
  useTitle(t((kindWords[kind] as KindWords).title));
  return <ConnectorTable kind={kind} bare={false} />;
}

/** `bare`: the screen around has the head and the button. */
export function ConnectorTable({ kind, bare = true }: { kind: string; bare?: boolean }): JSX.Element {
  const w = kindWords[kind] as KindWords;
  const types = useTypes(kind, getLang());
  const list = usePages<Connector>(w.path, {}, [kind]);
  const typeName = (c: Connector): string => types?.find((x) => x.id === c.type)?.name ?? c.type;
  const columns: Column<Connector>[] = [
    { id: "name", label: t("name"), head: true, show: (c) => <A href={`${w.base}/${c.id}`}>{c.name}</A> },
    { id: "type", label: t("type"), width: "14rem", show: typeName },
    { id: "where", label: t("where"), level: 2, show: (c) => <span class="line">{whereOf(c) || "–"}</span> },
    { id: "changed", label: t("changed"), level: 3, width: "9rem", show: (c) => <span class="muted">{relative(c.updated)}</span> },
  ];
  return (
    <Listing
      bare={bare}
      title={t(w.title)}
      lead={t(w.lead)}
      add={isAdmin() && { text: t(w.add), to: w.base + "/new" }}
      search={{ hint: t("connectors_search"), of: (c) => [c.name, typeName(c), whereOf(c)] }}
      none={t(w.none)}
      noneText={t(w.noneText)}
      list={list}
      columns={columns}
      link={(c) => `${w.base}/${c.id}`}
    />
  );
}

function NewConnector({ kind, first }: { kind: string; first: string }): JSX.Element {
  const w = kindWords[kind] as KindWords;
  const types = useTypes(kind, getLang());
  const [type, setType] = useState(first);
  useTitle(t(w.add));
  if (!types) return <Loading />;
  const chosen = types.find((x) => x.id === type) ?? (types.length === 1 ? types[0] : undefined);
  return (
    <>
      <Head title={t(w.add)} up={[w.home ?? w.base, t(w.title)]} />
      {!chosen && (
        <div class="choices cards" role="list">
          {types.map((x) => (
            <div role="listitem" key={x.id}>
              <button class="choice" onClick={() => setType(x.id)}>
                <b>{x.name}</b>
                <span class="muted small">{x.about}</span>
              </button>
            </div>
          ))}
        </div>
      )}
      {chosen && (
        <Panel
          title={chosen.name}
          id="settings"
          side={
            types.length > 1 && (
              <button class="quiet" onClick={() => setType("")}>
                {t("other_type")}
              </button>
            )
          }
        >
          <p class="lead">{chosen.about}</p>
          <ConnectorForm kind={kind} type={chosen} done={(c) => go(`${w.base}/${c.id}?check=1`)} cancel={() => go(w.home ?? w.base)} />
        </Panel>
      )}
    </>
  );
}

function ConnectorForm(p: { kind: string; type: TypeSchema; old?: Connector; done: (c: Connector) => void; cancel: () => void }): JSX.Element {
  const w = kindWords[p.kind] as KindWords;
  const [name, setName] = useState(p.old?.name ?? "");
  const [group, setGroup] = useState(p.old?.group ?? "");
  const [values, setValues] = useState<Values>({ ...(p.old?.settings ?? {}) });
  const save = useSave<Connector>({
    of: p.old && { path: `${w.path}/${p.old.id}`, revision: p.old.revision },
    send: (revision) => {
      const settings = outgoing(p.type.fields ?? [], values);
      return p.old
        ? call("PATCH", `${w.path}/${p.old.id}`, { name: name.trim(), settings, ...(group !== (p.old.group ?? "") ? { group } : {}), revision })
        : call("POST", w.path, { name: name.trim(), type: p.type.id, settings, ...(group ? { group } : {}) });
    },
    done: p.done,
  });
  return (
    <form class="form" onSubmit={save.submit}>
      <Field label={t("name")} value={name} onValue={setName} required focus={!p.old} help={t("connector_name_help")} fault={faultAt(save.error, "name")} />
      {p.kind !== "notifier" && p.kind !== "backup" && <GroupSelect value={group} set={setGroup} />}
      <Fields fields={p.type.fields ?? []} values={values} set={setValues} error={save.error} editing={!!p.old} />
      <SaveEnd of={save} cancel={p.cancel} />
    </form>
  );
}

function ConnectorScreen({ kind, id, edit }: { kind: string; id: string; edit: boolean }): JSX.Element {
  const w = kindWords[kind] as KindWords;
  const c = useGet<Connector>(`${w.path}/${encodeURIComponent(id)}`, [kind]);
  const types = useTypes(kind, getLang());
  const [editing, setEditing] = useState(edit && isAdmin());
  const [binding, setBinding] = useState(false);
  const [test, setTest] = useState<number | null>(null);
  useTitle(c.value?.name ?? t(w.title));
  if (!c.value || !types) return c.error ? <Fault error={c.error} retry={() => void c.reload()} /> : <Loading />;
  const v = c.value;
  const type = types.find((x) => x.id === v.type);
  return (
    <>
      <Head up={[w.home ?? w.base, t(w.title)]} title={v.name} lead={type ? `${type.name} – ${type.about}` : v.type}>
        {canOperate() && kind === "target" && <button onClick={() => setBinding(true)}>{t("bind_add")}</button>}
        {isAdmin() && (
          <>
            <button onClick={() => setEditing(!editing)}>{t("edit")}</button>
            <button
              onClick={() =>
                ask({
                  title: t("remove_ask", v.name),
                  body: <p>{t("remove_connector_what")}</p>,
                  action: t("remove"),
                  danger: true,
                  run: async () => {
                    await call("DELETE", `${w.path}/${v.id}`);
                    toast(t("removed"));
                    go(w.home ?? w.base);
                  },
                })
              }
            >
              {t("remove")}
            </button>
          </>
        )}
      </Head>
      {(kind === "target" || kind === "backup") && (
        <HostKey
          kind={kind}
          c={v}
          accepted={(job) => {
            setTest(job.id);
            void c.reload();
          }}
        />
      )}
      {canOperate() && <CheckPanel kind={kind} c={v} begun={test} />}
      {editing && type ? (
        <Panel title={t("edit")} id="edit">
          <ConnectorForm
            kind={kind}
            type={type}
            old={v}
            cancel={() => setEditing(false)}
            done={() => {
              setEditing(false);
              void c.reload();
            }}
          />
        </Panel>
      ) : (
        <Panel title={t("settings_of")} id="settings">
          <Settings c={v} type={type} />
        </Panel>
      )}
      {kind === "ca" && <CaState c={v} />}
      {kind === "backup" && <BackupFiles c={v} reload={() => void c.reload()} />}
      {kind === "target" && <TargetUse c={v} bind={() => setBinding(true)} />}
      {binding && (
        <BindDialog
          target={v}
          close={() => setBinding(false)}
          done={() => {
            setBinding(false);
            void c.reload();
          }}
        />
      )}
    </>
  );
}

function Settings({ c, type }: { c: Connector; type?: TypeSchema }): JSX.Element {
  const fields = type?.fields ?? [];
  const s = c.settings ?? {};
  const rows = fields
    .filter((f) => applies(f, fields, s))
    .map((f): [string, JSX.Element | string] => {
      const v = s[f.name];
      if (f.type === "secret") return [f.label, (v as { set?: boolean } | undefined)?.set ? `••••••• ${t("secret_set")}` : t("not_set")];
      if (v === null || v === undefined || v === "") return [f.label, ""];
      if (f.type === "bool") return [f.label, v ? t("yes") : t("no")];
      if (f.type === "seconds" && typeof v === "number") return [f.label, duration(v)];
      if (f.choices) return [f.label, (Array.isArray(v) ? (v as string[]) : [String(v)]).map((x) => f.choices?.find((y) => y.value === x)?.label ?? x).join(", ")];
      if (Array.isArray(v)) return [f.label, (v as string[]).join(", ")];
      const text = String(v);
      return [f.label, text.length > 80 ? <Code text={text} short={60} /> : text];
    })
    .filter(([, v]) => v !== "");
  return <Facts rows={[...rows, [t("changed"), <When at={c.updated} />]]} />;
}

/** 接続テスト: asks the other side, changes nothing, says what it saw. */
function CheckPanel({ kind, c, begun }: { kind: string; c: Connector; begun: number | null }): JSX.Element {
  const w = kindWords[kind] as KindWords;
  const [id, setId] = useState<number | null>(null);
  const [what, setWhat] = useState<"check" | "test">("check");
  const [error, setError] = useState<unknown>(null);
  const [job] = useJob(id);
  const run = async (which: "check" | "test"): Promise<void> => {
    setError(null);
    setWhat(which);
    try {
      setId((await call<{ job: Job }>("POST", which === "test" ? `/notifiers/${c.id}/test` : `${w.path}/${c.id}/check`)).job.id);
    } catch (x) {
      setError(x);
    }
  };
  useEffect(() => {
    if (new URLSearchParams(location.search).get("check") === "1") {
      history.replaceState(null, "", location.pathname);
      void run("check");
    }
  }, []);
  useEffect(() => {
    if (begun === null) return;
    setWhat("check");
    setId(begun);
  }, [begun]);
  const p = job?.progress as { seen?: Message; reply?: string } | null | undefined;
  const busy = job !== null && (job.state === "ready" || job.state === "running") && !job.error;
  return (
    <Panel
      title={t("check_title")}
      id="check"
      side={
        <>
          <button disabled={busy} onClick={() => void run("check")}>
            {t("check_run")}
          </button>
          {kind === "notifier" && (
            <button disabled={busy} onClick={() => void run("test")}>
              {t("test_send")}
            </button>
          )}
        </>
      }
    >
      <Fault error={error} />
      <div aria-live="polite">
        {!job && !error && <p class="muted">{t("check_text")}</p>}
        {busy && (
          <p>
            <State of="running" /> {t("checking")}
          </p>
        )}
        {job?.state === "done" && (
          <p>
            <State of="done" /> {what === "test" ? t("test_sent") : pair(p?.seen) || t("check_ok")} {p?.reply && <span class="small muted">{p.reply}</span>}
          </p>
        )}
        {job?.error && job.state !== "done" && (
          <div>
            <p>
              <State of="failed" /> {faultText(job.error)}
            </p>
            {job.error.remote && !faultText(job.error).includes(job.error.remote) && <p class="mono small">{job.error.remote}</p>}
          </div>
        )}
      </div>
    </Panel>
  );
}

function CaState({ c }: { c: Connector }): JSX.Element {
  const s = c.state;
  const rows = (["account", "status", "kid", "terms", "root_sha256"] as const).filter((k) => typeof s[k] === "string");
  const words: Record<string, Key> = { account: "ca_account", status: "ca_status", kid: "ca_account", terms: "ca_terms", root_sha256: "ca_root" };
  return (
    <Panel title={t("ca_state")} id="state">
      {!s.ready && <p class="muted">{t("ca_not_ready")}</p>}
      {rows.length > 0 && <Facts rows={rows.map((k): [string, JSX.Element] => [t(words[k] as Key), <Code text={String(s[k])} short={60} />])} />}
      {typeof s["root_pem"] === "string" && <RootDownload pem={s["root_pem"]} name={c.name} />}
      <p>
        <A href={`/certs?ca=${encodeURIComponent(c.name)}`}>{t("ca_certs")}</A>
      </p>
    </Panel>
  );
}

/** What is kept there, newest first, and when the next one is due. */
function BackupFiles({ c, reload }: { c: Connector; reload: () => void }): JSX.Element {
  const [id, setId] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [job] = useJob(id, reload);
  const files = [...((c.state["files"] as { name: string; bytes: number; created: string }[] | undefined) ?? [])].reverse();
  const next = c.state["next_at"] as string | undefined;
  return (
    <Panel
      title={t("backups_kept")}
      id="files"
      side={
        <button onClick={() => call<{ job: Job }>("POST", `/backup-stores/${c.id}/run`).then((a) => setId(a.job.id), setError)}>{t("backup_run")}</button>
      }
    >
      <Fault error={error} />
      {job && <JobView job={job} />}
      <p class="lead">
        {t("backup_rule", duration(Number(c.settings?.["every"] ?? 0)), Number(c.settings?.["keep"] ?? 0))} {next && <>{t("backup_next")} <When at={next} time /></>}
      </p>
      {files.length === 0 && <p class="muted">{t("backups_none")}</p>}
      <ul class="lines">
        {files.map((f) => (
          <li key={f.name} class="spread">
            <span>
              <When at={f.created} time /> <span class="mono small">{f.name}</span>
            </span>
            <span>{size(f.bytes)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function RootDownload({ pem, name }: { pem: string; name: string }): JSX.Element {
  return (
    <p>
      <a href={"data:application/x-pem-file;charset=utf-8," + encodeURIComponent(pem)} download={`${name}-root.pem`} class="button">
        {t("root_download")}
      </a>{" "}
      <span class="muted small">{t("root_help")}</span>
    </p>
  );
}
