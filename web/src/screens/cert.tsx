// One certificate: its life, its chain, where it is used, what was done, and what can be done now.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, download, get, type Audit, type Binding, type CertDetail, type ChainItem, type Connector, type Endpoint, type Job, type Page, type Plan, type Version } from "../lib/api";
import { date, dateTime, duration, relative, stateText, t, word } from "../lib/i18n";
import { useGet, useTitle, useJob } from "../lib/hooks";
import { canOperate, isAdmin } from "../lib/role";
import { display } from "../lib/idn";
import { A, go } from "../lib/router";
import { ChainPicture, LifeLine } from "../pic/pics";
import { Code, Empty, Facts, Fault, Field, Head, Loading, Panel, Select, State, Tabs, When, faultText, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { JobView } from "../ui/job";
import { TagDialog, Tags } from "../ui/tags";
import { windowText } from "../ui/window";
import { Actor, Result, useActions } from "./audit";
import { BindDialog } from "./binding";
import { placed } from "./targets";
import { CompareVersions, versionBefore } from "./compare";
import { EditCert } from "./editcert";
import { challengeText } from "./policy";
import { PlanView } from "../ui/plan";
import { askUndo } from "./rollout";

/** What is begun with a POST below the certificate. */
type CertWork = "request" | "renew" | "deploy" | "undo" | "revoke";
type Tab = "overview" | "versions" | "orders" | "history" | "audit";

export function CertScreen({ id }: { id: string }): JSX.Element {
  const c = useGet<CertDetail>(`/certs/${encodeURIComponent(id)}`, ["cert", "job", "deployment", "order"]);
  const [jobId, setJobId] = useState<number | null>(null);
  const [plans, setPlans] = useState<{ target: string; plan: Plan }[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tab, setTab] = useState<Tab>("overview");
  const [open, setOpen] = useState<Open>(asked);
  const [job, jobError] = useJob(jobId, (j) => {
    const got = (j.progress as { plans?: { target: string; plan: Plan }[] } | null)?.plans;
    if (j.state === "done" && got) {
      setPlans(got);
      setJobId(null);
    }
    void c.reload();
  });
  useTitle(c.value ? display(c.value.name) : t("certificates"));
  // What runs or waits already is shown as if it had been begun here.
  const rollout = useGet<Page<Job>>(c.value ? `/jobs?subject=cert/${c.value.id}&kind=deploy&open=1&limit=1` : null, ["job"]).value?.items[0]?.id;
  const begun = c.value?.job ?? rollout;
  useEffect(() => {
    if (begun && jobId === null) setJobId(begun);
  }, [begun]);
  if (!c.value) return c.error ? <Fault error={c.error} retry={() => void c.reload()} /> : <Loading />;
  const cert = c.value;
  const start = async (path: CertWork, body: unknown = {}): Promise<void> => {
    setError(null);
    setPlans(null);
    try {
      const a = await call<{ job: Job }>("POST", `/certs/${cert.id}/${path}`, body);
      setJobId(a.job.id);
    } catch (x) {
      setError(x);
      throw x;
    }
  };
  const tabs: [Tab, string][] = [
    ["overview", t("tab_overview")],
    ["versions", t("versions")],
    ["orders", t("orders")],
    ["history", t("deployments")],
  ];
  if (isAdmin()) tabs.push(["audit", t("audit")]);
  return (
    <>
      <Head
        up={["/certs", t("certificates")]}
        title={
          <>
            {display(cert.name)} <State of={cert.health} />
          </>
        }
        lead={<Situation c={cert} />}
      >
        <CertActions c={cert} start={start} open={setOpen} />
      </Head>
      <Fault error={error ?? jobError} />
      {job && (
        <Panel title={word("job." + job.kind)} id="job" onClose={() => setJobId(null)}>
          <JobView job={job} ca={cert.ca} onChange={() => void c.reload()} />
        </Panel>
      )}
      {plans && (
        <Panel title={t("plan_title")} id="plan" onClose={() => setPlans(null)}>
          <PlanView plans={plans} />
          {canOperate() && plans.some((p) => !p.plan.unchanged) && (
            <div class="actions">
              <button class="primary" onClick={() => void start("deploy").catch(() => undefined)}>
                {t("deploy_this")}
              </button>
            </div>
          )}
        </Panel>
      )}
      {cert.versions.filter((v) => v.state === "refused").map((v) => (
        <Refused key={v.id} v={v} revoke={isAdmin() && cert.ca ? () => setOpen("revoke") : undefined} />
      ))}
      <Tabs of={tabs} now={tab} to={setTab} label={display(cert.name)} />
      {tab === "overview" && <Overview c={cert} onBind={() => setOpen("bind")} changed={() => void c.reload()} start={start} />}
      {tab === "versions" && <Versions c={cert} start={start} />}
      {tab === "orders" && <Orders c={cert} />}
      {tab === "history" && <History c={cert} />}
      {tab === "audit" && <Audits subject={`cert/${cert.id}`} />}
      {open === "edit" && (
        <EditCert
          cert={cert}
          close={() => setOpen("")}
          done={() => {
            setOpen("");
            void c.reload();
          }}
        />
      )}
      {open === "bind" && (
        <BindDialog
          cert={cert}
          close={() => setOpen("")}
          done={() => {
            setOpen("");
            void c.reload();
          }}
        />
      )}
      {open === "revoke" && <Revoke c={cert} close={() => setOpen("")} start={start} />}
      {open === "export" && <Export c={cert} close={() => setOpen("")} />}
      {open === "csr" && <Csr c={cert} close={() => setOpen("")} />}
    </>
  );
}

/** In a sentence: how it stands and what happens next by itself. */
function Situation({ c }: { c: CertDetail }): JSX.Element {
  const bits: string[] = [];
  if (c.not_after) bits.push(new Date(c.not_after).getTime() > Date.now() ? t("valid_until", date(c.not_after), relative(c.not_after)) : t("ended_on", date(c.not_after), relative(c.not_after)));
  else bits.push(t("not_issued_yet"));
  if (c.renew_at) bits.push(t("renews_by_itself", date(c.renew_at), relative(c.renew_at)));
  else if (c.not_after) bits.push(c.ca ? t("renew_off") : t("renew_no_ca"));
  if (c.targets.total) bits.push(t("in_sync", c.targets.deployed, c.targets.total));
  return <>{bits.join(" ")}</>;
}

type Open = "" | "edit" | "bind" | "revoke" | "export" | "csr";

/** Opened at once: ?edit=1, ?bind=1. */
function asked(): Open {
  const q = new URLSearchParams(location.search);
  return !canOperate() ? "" : q.get("edit") === "1" ? "edit" : q.get("bind") === "1" ? "bind" : "";
}

function CertActions({ c, start, open }: { c: CertDetail; start: (p: CertWork, b?: unknown) => Promise<void>; open: (o: Open) => void }): JSX.Element {
  const bound = c.bindings.length > 0 && c.not_after !== null;
  const deployed = c.deployments.some((d) => d.state === "done" || d.state === "stopped");
  if (!canOperate()) return <button onClick={() => open("export")}>{t("export")}</button>;
  return (
    <>
      {c.ca && (
        <button
          class={c.not_after ? "" : "primary"}
          onClick={() =>
            ask({
              title: c.not_after ? t("renew_ask", display(c.name)) : t("request_ask", display(c.name)),
              body: <p>{t("renew_what", c.ca ?? "", c.targets.total)}</p>,
              action: c.not_after ? t("renew_now") : t("request_now"),
              run: () => start(c.not_after ? "renew" : "request"),
            })
          }
        >
          {c.not_after ? t("renew") : t("request_now")}
        </button>
      )}
      <button disabled={!bound} onClick={() => void start("deploy", { plan: true }).catch(() => undefined)}>
        {t("show_plan")}
      </button>
      <button
        class={bound ? "primary" : ""}
        disabled={!bound}
        onClick={() =>
          ask({
            title: t("deploy_ask", display(c.name)),
            body: <DeployWhat c={c} />,
            action: t("deploy"),
            run: () => start("deploy"),
          })
        }
      >
        {t("deploy")}
      </button>
      <details class="dropdown">
        <summary class="button">{t("more_actions")}</summary>
        <div class="menu" onClick={(e) => ((e.currentTarget.parentElement as HTMLDetailsElement).open = false)}>
          <button onClick={() => open("edit")}>{t("edit")}</button>
          {!c.outside_csr && <button onClick={() => open("bind")}>{t("bind_add")}</button>}
          <button onClick={() => open("export")}>{t("export")}</button>
          {c.ca && <button onClick={() => open("csr")}>{t("show_csr")}</button>}
          {deployed && (
            <button
              onClick={() => askUndo(c.id, c.name, () => start("undo"))}
            >
              {t("undo")}
            </button>
          )}
          {isAdmin() && c.versions.some(revocable) && c.ca && <button onClick={() => open("revoke")}>{t("revoke")}</button>}
          <button
            class="danger-text"
            onClick={() =>
              ask({
                title: t("remove_ask", c.name),
                body: <p>{t("remove_cert_what", c.versions.length, c.bindings.length)}</p>,
                action: t("remove"),
                danger: true,
                type: c.name,
                run: async () => {
                  await call("DELETE", `/certs/${c.id}`);
                  toast(t("removed"));
                  go("/certs");
                },
              })
            }
          >
            {t("remove")}
          </button>
        </div>
      </details>
    </>
  );
}

/** What a deployment by hand does, and whether it begins at once. */
function DeployWhat({ c }: { c: CertDetail }): JSX.Element {
  const window = c.policy?.["window"];
  return (
    <>
      <p>{t("deploy_what", c.bindings.map((b) => b.target ?? "?").join(", "))}</p>
      {c.policy?.["approval"] === true ? <p class="note">{t("deploy_asks")}</p> : window ? <p class="note">{t("deploy_early", windowText(String(window)))}</p> : null}
    </>
  );
}

interface OverviewProps {
  c: CertDetail;
  onBind: () => void;
  changed: () => void;
  start: (p: CertWork, b?: unknown) => Promise<void>;
}

function Overview({ c, onBind, changed, start }: OverviewProps): JSX.Element {
  const chain = useGet<{ items: ChainItem[] }>(c.not_after ? `/certs/${c.id}/chain` : null, []);
  const ends = useGet<Page<Endpoint>>(`/endpoints?cert=${c.id}&limit=100`, ["endpoint"]);
  const [tagging, setTagging] = useState(false);
  const current = c.versions.find((v) => v.state === "current") ?? c.versions.find((v) => v.state === "revoked" && v.activated);
  return (
    <>
      {tagging && (
        <TagDialog
          certs={[c]}
          close={() => setTagging(false)}
          done={() => {
            setTagging(false);
            changed();
          }}
        />
      )}
      <Panel title={t("life_line")} id="life">
        {c.versions.some((v) => v.not_after) ? <LifeLine c={c} /> : <p class="muted">{t("not_issued_yet")}</p>}
      </Panel>
      <div class="cols">
        <Panel title={t("facts")} id="facts">
          <Facts
            rows={[
              [t("names"), c.names.map((n) => <div key={n} title={n}>{display(n)}</div>)],
              [
                t("tags"),
                <span class="tags">
                  {c.tags.length ? <Tags of={c.tags} to={(x) => "/certs?tag=" + encodeURIComponent(x)} /> : <span class="muted">–</span>}
                  {canOperate() && (
                    <button class="quiet small" onClick={() => setTagging(true)}>
                      {t("tags_edit")}
                    </button>
                  )}
                </span>,
              ],
              [t("ca"), c.ca],
              [t("org_subject"), c.organisation],
              [t("issuer"), c.issuer],
              [t("key"), `${current?.key ?? c.key}${current && !current.has_key ? ` (${t("key_outside")})` : ""}`],
              [t("serial"), <Code text={c.serial} short={24} />],
              [t("fingerprint"), <Code text={c.sha256} short={24} />],
              [t("challenge"), c.ca ? challengeText(c.challenge ?? {}) : "–"],
              [t("policy"), <Policy p={c.policy} />],
            ]}
          />
        </Panel>
        <Panel title={t("chain")} id="chain">
          {chain.value ? <ChainPicture items={chain.value.items} /> : chain.error ? <Fault error={chain.error} /> : <p class="muted">{c.not_after ? t("loading") : t("not_issued_yet")}</p>}
        </Panel>
      </div>
      <Panel
        title={t("bindings")}
        id="bindings"
        side={
          canOperate() &&
          !c.outside_csr && (
            <button class="quiet" onClick={onBind}>
              ＋ {t("bind_add")}
            </button>
          )
        }
      >
        <Bindings c={c} onBind={onBind} changed={changed} start={start} />
      </Panel>
      <Panel title={t("watched_at")} id="endpoints" side={canOperate() && <A href={`/watch?add=1&cert=${c.id}`}>＋ {t("watch_add")}</A>}>
        <Watched list={ends.value?.items ?? []} cert={c} />
      </Panel>
    </>
  );
}

function Policy({ p }: { p: Record<string, unknown> | null }): JSX.Element {
  const bits: string[] = [];
  bits.push(p?.["auto_renew"] === false ? t("auto_renew_off") : t("auto_renew_on"));
  if (typeof p?.["renew_before"] === "number" && p["renew_before"]) bits.push(t("renew_before", duration(p["renew_before"])));
  if (typeof p?.["validity"] === "number" && p["validity"]) bits.push(t("validity_asked", duration(p["validity"])));
  if (p?.["on_failure"]) bits.push(t("on_failure", word("on_failure." + String(p["on_failure"]))));
  if (p?.["window"]) bits.push(t("policy_window", windowText(String(p["window"]))));
  if (p?.["approval"] === true) bits.push(t("policy_approval"));
  return <>{bits.join(" / ")}</>;
}

function Bindings({ c, onBind, changed, start }: OverviewProps): JSX.Element {
  if (c.outside_csr && c.bindings.length === 0) return <p class="note">{t("csr_no_places")}</p>;
  if (c.bindings.length === 0)
    return (
      <Empty title={t("bindings_none")} action={canOperate() && <button onClick={onBind}>{t("bind_add")}</button>}>
        {t("bindings_none_text")}
      </Empty>
    );
  return (
    <div class="table-wrap">
      <table aria-label={t("bindings")}>
        <thead>
          <tr>
            <th scope="col">{t("target")}</th>
            <th scope="col">{t("state")}</th>
            <th scope="col">{t("proven_version")}</th>
            <th scope="col" class="l2">
              {t("place")}
            </th>
            <th scope="col">
              <span class="sr">{t("actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {c.bindings.map((b) => (
            <BindingRows key={b.id} b={b} issued={c.not_after !== null} changed={changed} start={start} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function BindingRows({ b, issued, changed, start }: { b: Binding; issued: boolean } & Pick<OverviewProps, "changed" | "start">): JSX.Element {
  return (
    <>
      <tr>
        <th scope="row">
          <A href={`/targets/${b.target_id}`}>{b.target}</A>
        </th>
        <td>
          <State of={placed(b.state)} />
        </td>
        <td>
          {b.version ? `#${b.version}` : "–"} <span class="muted small">{b.version ? relative(b.updated) : ""}</span>
        </td>
        <td class="l2 small mono">
          {Object.entries(b.place ?? {})
            .filter(([, v]) => typeof v === "string" || typeof v === "number")
            .map(([k, v]) => (
              <div key={k}>{String(v)}</div>
            ))}
        </td>
        <td class="row-actions">
          {canOperate() && issued && (
            <button class="quiet" onClick={() => void start("deploy", { binding: b.id }).catch(() => undefined)}>
              {t("deploy_here")}
            </button>
          )}
          {canOperate() && (
            <button
              class="quiet danger-text"
              onClick={() =>
                ask({
                  title: t("unbind_ask", b.target ?? ""),
                  body: <p>{t("unbind_what", b.target ?? "")}</p>,
                  action: t("unbind"),
                  danger: true,
                  run: async () => {
                    await call("DELETE", `/bindings/${b.id}`);
                    changed();
                  },
                })
              }
            >
              {t("unbind")}
            </button>
          )}
        </td>
      </tr>
      {b.error && (
        <tr class="fault-row">
          <td colSpan={4}>
            <p class="bad-text small">{faultText(b.error)}</p>
          </td>
        </tr>
      )}
    </>
  );
}

function Watched({ list, cert }: { list: Endpoint[]; cert: CertDetail }): JSX.Element {
  if (list.length === 0) return <p class="muted">{t("watched_none")}</p>;
  return (
    <ul class="lines">
      {list.map((e) => (
        <li key={e.id}>
          <State of={e.state} />{" "}
          <A href={`/watch/${e.id}`}>
            {e.host}:{e.port}
          </A>{" "}
          <span class="muted small">
            {(e.seen?.addresses ?? []).filter((a) => a.sha256 === cert.sha256).length} / {(e.seen?.addresses ?? []).length} {t("addresses_in_sync")} · {relative(e.seen_at)}
          </span>
        </li>
      ))}
    </ul>
  );
}

const revocable = (v: CertDetail["versions"][number]): boolean => !!v.not_after && v.state !== "revoked";

/** What the CA sent and nobody ordered: never served, but out in the world until it is revoked. */
function Refused({ v, revoke }: { v: CertDetail["versions"][number]; revoke?: () => void }): JSX.Element {
  return (
    <div class="note warn" role="status">
      <p>
        <b>{t("refused_version", v.id)}</b> {t("refused_what")}
      </p>
      {v.refused && <p>{faultText(v.refused)}</p>}
      <p class="small">
        {t("serial")}: <Code text={v.serial} short={24} />
      </p>
      {revoke && (
        <div class="actions">
          <button onClick={revoke}>{t("revoke")}</button>
        </div>
      )}
    </div>
  );
}

function Versions({ c, start }: { c: CertDetail; start: (p: CertWork, b?: unknown) => Promise<void> }): JSX.Element {
  const [compared, setCompared] = useState<Version | null>(null);
  const before = compared && versionBefore(c, compared);
  return (
    <Panel title={t("versions")} id="versions">
      {c.versions.length === 0 ? (
        <p class="muted">{t("not_issued_yet")}</p>
      ) : (
        <div class="table-wrap">
          <table aria-label={t("versions")}>
            <thead>
              <tr>
                <th scope="col">{t("version")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col">{t("not_before")}</th>
                <th scope="col">{t("expires")}</th>
                <th scope="col" class="l2">
                  {t("serial")}
                </th>
                <th scope="col" class="l3">
                  {t("key")}
                </th>
                <th scope="col">
                  <span class="sr">{t("actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {c.versions.map((v) => (
                <tr key={v.id}>
                  <th scope="row">#{v.id}</th>
                  <td>
                    <State of={v.state} />
                    {v.refused && <p class="bad-text small">{faultText(v.refused)}</p>}
                  </td>
                  <td>{dateTime(v.not_before)}</td>
                  <td>
                    <When at={v.not_after} stack />
                  </td>
                  <td class="l2">
                    <Code text={v.serial} short={16} />
                  </td>
                  <td class="l3">{v.key}</td>
                  <td class="row-actions">
                    {versionBefore(c, v) && (
                      <button class="quiet" onClick={() => setCompared(v)} aria-label={t("compare_n", v.id)}>
                        {t("compare")}
                      </button>
                    )}
                    {canOperate() && ["archived", "staging"].includes(v.state) && c.bindings.length > 0 && v.not_after && (
                      <button
                        class="quiet"
                        onClick={() =>
                          ask({
                            title: t("deploy_version_ask", v.id),
                            body: <DeployWhat c={c} />,
                            action: t("deploy"),
                            run: () => start("deploy", { version: v.id }),
                          })
                        }
                      >
                        {t("deploy_this_version")}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {compared && before && <CompareVersions c={c} from={before} to={compared} close={() => setCompared(null)} />}
    </Panel>
  );
}

function Orders({ c }: { c: CertDetail }): JSX.Element {
  const list = [...c.orders].sort((a, b) => b.id - a.id);
  return (
    <Panel title={t("orders")} id="orders">
      {list.length === 0 && <p class="muted">{t("orders_none")}</p>}
      <ol class="story">
        {list.map((o) => (
          <li key={o.id}>
            <State of={o.state === "open" ? "ordering" : o.state} /> <b>{word("reason." + (o.reason ?? ""))}</b> <When at={o.created} time />
            {o.version > 0 && <span class="muted small"> → #{o.version}</span>}
            {o.error && <p class="bad-text small">{faultText(o.error)}</p>}
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function History({ c }: { c: CertDetail }): JSX.Element {
  return (
    <Panel title={t("deployments")} id="history">
      {c.deployments.length === 0 && <p class="muted">{t("deployments_none")}</p>}
      <ol class="story">
        {c.deployments.map((d) => (
          <li key={d.id}>
            <State of={d.state} /> <A href={`/deployments/${d.id}`}>{t("deployment_n", d.id)}</A> <b>{word("reason." + (d.reason ?? ""))}</b> #{d.version} <When at={d.created} time />
          </li>
        ))}
      </ol>
    </Panel>
  );
}

export function Audits({ subject }: { subject: string }): JSX.Element {
  const a = useGet<Page<Audit>>(`/audit?limit=100&subject=${encodeURIComponent(subject)}`, []);
  const { name: action } = useActions();
  const list = a.value?.items ?? [];
  return (
    <Panel title={t("audit")} id="audits" side={<A href={`/audit?subject=${encodeURIComponent(subject)}`}>{t("audit_all")}</A>}>
      <Fault error={a.error} />
      {a.value && list.length === 0 && <p class="muted">{t("audit_none")}</p>}
      <ol class="story">
        {list.map((x) => (
          <li key={x.id}>
            <When at={x.at} time /> <b>{action(x.action)}</b> <Actor of={x.actor} /> <Result of={x.result} />
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function Revoke({ c, close, start }: { c: CertDetail; close: () => void; start: (p: CertWork, b?: unknown) => Promise<void> }): JSX.Element {
  const [reason, setReason] = useState("superseded");
  const live = c.versions.filter(revocable);
  const current = c.versions.find((v) => v.state === "current");
  const first = c.versions.find((v) => v.state === "refused") ?? current ?? live[0];
  const [version, setVersion] = useState(String(first?.id ?? ""));
  const inUse = String(current?.id) === version;
  return (
    <Dialog title={t("revoke_title", display(c.name))} onClose={close}>
      <Select label={t("version")} value={version} of={live.map((v) => [String(v.id), `#${v.id} ${date(v.not_after)} ${stateText(v.state).text}`])} onValue={setVersion} />
      <Select
        label={t("revoke_reason")}
        value={reason}
        of={["superseded", "key_compromise", "cessation_of_operation", "affiliation_changed", "unspecified"].map((r) => [r, word("revoke." + r)])}
        onValue={setReason}
      />
      <div class="actions end">
        <button onClick={close}>{t("cancel")}</button>
        <button
          class="danger"
          onClick={() => {
            close();
            ask({
              title: t("revoke_title", display(c.name)),
              body: <p>{inUse ? t("revoke_in_use", c.targets.deployed) : t("revoke_what")}</p>,
              action: t("revoke"),
              danger: true,
              type: inUse ? c.name : undefined,
              run: () => start("revoke", { version: Number(version), reason }),
            });
          }}
        >
          {t("go_on")}
        </button>
      </div>
    </Dialog>
  );
}

const plainFormats = ["pem", "der", "pkcs7"];

function Export({ c, close }: { c: CertDetail; close: () => void }): JSX.Element {
  const [format, setFormat] = useState("pem");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const held = canOperate() && c.versions.some((v) => v.state === "current" && v.has_key);
  const of: [string, string][] = [
    ["pem", t("format_pem")],
    ["der", t("format_der")],
    ["pkcs7", t("format_p7")],
  ];
  if (held) of.push(["pkcs12", t("format_p12")], ["jks", t("format_jks")], ["key", t("format_pem_key")]);
  const ends: Record<string, string> = { der: "cer", pkcs7: "p7b", pkcs12: "p12", jks: "jks" };
  const file = `${c.name.replace(/[^\w.-]+/g, "_").replace(/^_+/, "wildcard_")}.${ends[format] ?? "pem"}`;
  const run = (e: Event): void => {
    e.preventDefault();
    setError(null);
    const done = plainFormats.includes(format)
      ? download(`/certs/${c.id}/export?format=${format}`, file)
      : download(`/certs/${c.id}/export`, file, "POST", { format: format === "key" ? "pem" : format, password });
    done.then(close, setError);
  };
  return (
    <Dialog title={t("export_title", display(c.name))} onClose={close}>
      <form onSubmit={run}>
        <Select label={t("format")} value={format} of={of} onValue={setFormat} help={t("export_help")} />
        {!plainFormats.includes(format) && <Field label={t("export_password")} value={password} onValue={setPassword} type="password" auto="new-password" help={t("export_password_help")} required />}
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={!c.not_after}>
            {t("download")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Csr({ c, close }: { c: CertDetail; close: () => void }): JSX.Element {
  const csr = useGet<{ csr: string }>(`/certs/${c.id}/csr`, []);
  return (
    <Dialog title="CSR" onClose={close} wide>
      <Fault error={csr.error} />
      {csr.value && (
        <>
          <pre class="json">{csr.value.csr}</pre>
          <div class="actions end">
            <button onClick={() => void navigator.clipboard?.writeText(csr.value?.csr ?? "").then(() => toast(t("copied")))}>{t("copy")}</button>
          </div>
        </>
      )}
    </Dialog>
  );
}

export async function caNames(): Promise<string[]> {
  return (await get<Page<Connector>>("/cas?limit=500")).items.map((x) => x.name);
}
