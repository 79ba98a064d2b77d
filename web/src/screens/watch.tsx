// 監視: what every endpoint really serves, beside what we hold for it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, query, type Adopted, type Cert, type CertDetail, type Endpoint, type Job, type Observation } from "../lib/api";
import { date, duration, relative, stateText, t, word } from "../lib/i18n";
import { useGet, useTitle, useJob } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { cn } from "../pic/pics";
import { Chip, Code, Facts, Fault, Field, Head, Loading, Panel, Select, State, When, faultText, toast } from "../ui/basic";
import { exportCsv } from "../ui/csv";
import { Dialog, ask } from "../ui/dialog";
import { secsText } from "../ui/form";
import { Choose } from "../ui/choose";
import { GroupSelect } from "../ui/group";
import { JobView } from "../ui/job";
import { Listing } from "../ui/list";
import { SaveEnd, useSave } from "../ui/save";
import { Table, usePages, type Column } from "../ui/table";
import { AdoptEndpoint, AdoptNext, AdoptPlan, DriftHelp, servedBy } from "./adopt";
import { ViewBar } from "./views";

const kinds = ["ok", "expiring", "expired", "drift", "untrusted", "unreachable", "new"];
const shown = (s: string): string => (s === "new" ? "looking" : s);

export function WatchScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("watch"));
  const q = place.query.get("q") ?? "";
  const state = place.query.get("state") ?? "";
  const list = usePages<Endpoint>("/endpoints", { q, state }, ["endpoint"]);
  const [selected, setSelected] = useState<Set<number>>(new Set());
  const [adopting, setAdopting] = useState(false);
  const adding = place.query.get("add") === "1" && canOperate();
  const set = (change: Record<string, string>): void => {
    setSelected(new Set());
    go("/watch" + query({ q, state, ...change }), true);
  };
  const columns: Column<Endpoint>[] = [
    { id: "state", label: t("state"), width: "8.5rem", show: (e) => <State of={shown(e.state)} /> },
    {
      id: "host",
      label: t("endpoint"),
      head: true,
      show: (e) => (
        <div class="two">
          <A href={`/watch/${e.id}`}>
            {e.host}:{e.port}
          </A>
          <span class="muted small">
            {[e.sni && e.sni !== e.host ? `SNI ${e.sni}` : "", e.starttls && e.starttls !== "none" ? `STARTTLS ${e.starttls}` : "", finding(e)].filter(Boolean).join(" · ")}
          </span>
        </div>
      ),
    },
    { id: "cert", label: t("certificate"), level: 2, width: "14rem", show: (e) => (e.cert ? <A href={`/certs/${e.cert}`}>{e.cert_name ? display(e.cert_name) : `#${e.cert}`}</A> : <span class="muted">{t("no_cert_expected")}</span>) },
    { id: "expires", label: t("expires"), level: 2, width: "10rem", show: (e) => <When at={firstEnd(e)} stack /> },
    { id: "seen", label: t("looked_at"), level: 3, width: "9rem", show: (e) => <span class="muted">{relative(e.seen_at) || "–"}</span> },
  ];
  return (
    <Listing
      title={t("watch")}
      lead={t("watch_lead")}
      add={canOperate() && { text: t("watch_add"), to: "/watch?add=1" }}
      also={
        <A href="/watch/discover" class="button">
          {t("discover")}
        </A>
      }
      search={{ hint: t("watch_search"), q, set: (v) => set({ q: v }) }}
      filters={
        <div class="chips" role="group" aria-label={t("state")}>
          <Chip on={state === "bad"} toggle={() => set({ state: state === "bad" ? "" : "bad" })}>
            {t("only_bad")}
          </Chip>
          {kinds.map((k) => (
            <Chip key={k} on={state === k} toggle={() => set({ state: state === k ? "" : k })}>
              {stateText(shown(k)).text}
            </Chip>
          ))}
        </div>
      }
      bar={<ViewBar screen="watch" filtered={!!(q || state)} csv={() => endpointsCsv({ q, state })} />}
      clear={!!(q || state) && (() => go("/watch", true))}
      none={t("watch_none")}
      noneText={t("watch_none_text")}
      list={list}
      columns={columns}
      rowHeight={60}
      link={(e) => `/watch/${e.id}`}
      choose={canOperate() && { selected, set: setSelected, bar: <button onClick={() => setAdopting(true)}>{t("to_manage")}</button> }}
    >
      {adopting && (
        <AdoptPlan
          base="/endpoints"
          items={[...selected]}
          action="adopt"
          close={() => setAdopting(false)}
          done={() => {
            setSelected(new Set());
            void list.reload();
          }}
        />
      )}
      {adding && <AddEndpoint cert={place.query.get("cert") ?? ""} close={() => go("/watch", true)} />}
    </Listing>
  );
}

const endpointsCsv = (params: Record<string, string>): Promise<void> =>
  exportCsv<Endpoint>({
    path: "/endpoints",
    params,
    name: "endpoints",
    head: [t("state"), t("endpoint"), "SNI", "STARTTLS", t("finding"), t("certificate"), t("expires"), t("looked_at"), t("owner_group")],
    row: (e) => [stateText(shown(e.state)).text, `${e.host}:${e.port}`, e.sni, e.starttls, finding(e), e.cert_name, firstEnd(e), e.seen_at, e.group],
  });

const firstEnd = (e: Endpoint): string | null => (e.seen?.addresses ?? []).map((a) => a.not_after).filter((x): x is string => !!x).sort()[0] ?? null;

/** The finding in words. */
function finding(e: Endpoint): string {
  if (!e.seen_at) return t("not_looked_yet");
  if (e.seen?.error && e.state === "unreachable") return faultText(e.seen.error);
  if (e.state === "ok") return t("finding_ok", (e.seen?.addresses ?? []).length);
  return word("why." + e.state);
}

function AddEndpoint({ cert, close }: { cert: string; close: () => void }): JSX.Element {
  const [where, setWhere] = useState("");
  const [sni, setSni] = useState("");
  const [starttls, setStarttls] = useState("none");
  const [expect, setExpect] = useState(cert);
  const [every, setEvery] = useState("1h");
  const [group, setGroup] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    const m = /^(?:https?:\/\/)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(where.trim());
    try {
      const made = await call<Endpoint>("POST", "/endpoints", {
        host: (m?.[1] ?? where.trim()).replace(/^\[|\]$/g, ""),
        ...(m?.[2] ? { port: Number(m[2]) } : {}),
        ...(sni.trim() ? { sni: sni.trim() } : {}),
        starttls,
        ...(expect ? { cert: expect } : {}),
        every,
        ...(group ? { group } : {}),
      });
      toast(t("watch_added"));
      go(`/watch/${made.id}`);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("watch_add")} onClose={close}>
      <form onSubmit={(e) => void save(e)}>
        <Field label={t("endpoint")} value={where} onValue={setWhere} placeholder="www.example.jp:443" help={t("endpoint_help")} required focus />
        <Choose<Cert> of="/certs" label={t("cert_expected")} value={expect} none={t("none_expected")} onValue={setExpect} help={t("cert_expected_help")} />
        <GroupSelect value={group} set={setGroup} />
        <details class="fold">
          <summary>{t("advanced")}</summary>
          <Field label="SNI" value={sni} onValue={setSni} help={t("sni_help")} />
          <Select label="STARTTLS" value={starttls} of={["none", "smtp", "imap", "pop3"].map((x) => [x, x === "none" ? t("tls_at_once") : x.toUpperCase()])} onValue={setStarttls} />
          <Field label={t("look_every")} value={every} onValue={setEvery} help={t("secs_help")} />
        </details>
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={busy}>
            {t("watch_begin")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function EndpointScreen({ id }: { id: string }): JSX.Element {
  const e = useGet<Endpoint>(`/endpoints/${encodeURIComponent(id)}`, ["endpoint", "job"]);
  const cert = useGet<CertDetail>(e.value?.cert ? `/certs/${e.value.cert}` : null, ["cert"]);
  const obs = usePages<Observation>(`/endpoints/${encodeURIComponent(id)}/observations`, {}, ["endpoint"]);
  const [jobId, setJob] = useState<number | null>(null);
  const [open, setOpen] = useState<"" | "edit" | "adopt">("");
  const [adopted, setAdopted] = useState<Adopted | null>(null);
  const [deploying, setDeploying] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [job] = useJob(jobId, () => {
    void e.reload();
    void obs.reload();
    setJob(null);
  });
  const look = async (): Promise<void> => {
    setError(null);
    try {
      setJob((await call<{ job: Job }>("POST", `/endpoints/${encodeURIComponent(id)}/look`)).job.id);
    } catch (x) {
      setError(x);
    }
  };
  // What was put there is looked at as soon as it is there.
  const [roll] = useJob(deploying, () => void look());
  useTitle(e.value ? `${e.value.host}:${e.value.port}` : t("watch"));
  if (!e.value) return e.error ? <Fault error={e.error} retry={() => void e.reload()} /> : <Loading />;
  const v = e.value;
  return (
    <>
      <Head
        up={["/watch", t("watch")]}
        title={
          <>
            {v.host}:{v.port} <State of={shown(v.state)} />
          </>
        }
        lead={finding(v)}
      >
        {canOperate() && (
          <>
            <button class={v.state === "drift" ? "" : "primary"} disabled={!!job} onClick={() => void look()}>
              {job ? t("looking") : t("look_now")}
            </button>
            {!v.cert && servedBy(v).length > 0 && <button onClick={() => setOpen("adopt")}>{t("to_manage")}</button>}
            <button onClick={() => setOpen("edit")}>{t("edit")}</button>
            <button
              onClick={() =>
                ask({
                  title: t("unwatch_ask", `${v.host}:${v.port}`),
                  body: <p>{t("unwatch_what")}</p>,
                  action: t("unwatch"),
                  danger: true,
                  run: async () => {
                    await call("DELETE", `/endpoints/${v.id}`);
                    toast(t("removed"));
                    go("/watch");
                  },
                })
              }
            >
              {t("unwatch")}
            </button>
          </>
        )}
      </Head>
      <Fault error={error} />
      {adopted?.new && <AdoptNext certs={[adopted.cert]} />}
      <Panel title={t("held_and_served")} id="drift">
        <HeldServed e={v} cert={cert.value} />
        {roll ? <JobView job={roll} ca={cert.value?.ca} /> : canOperate() && cert.value && <DriftHelp e={v} cert={cert.value} started={setDeploying} />}
      </Panel>
      <Panel title={t("facts")} id="facts">
        <Facts
          rows={[
            ["SNI", v.sni ?? v.host],
            ["STARTTLS", v.starttls === "none" ? t("tls_at_once") : v.starttls],
            [t("owner_group"), v.group ?? t("no_group")],
            [t("look_every"), duration(v.every)],
            [t("looked_at"), <When at={v.seen_at} time />],
            [t("look_next"), <When at={v.next_at} time />],
          ]}
        />
      </Panel>
      <Panel title={t("observations")} id="obs">
        <Observations list={obs} />
      </Panel>
      {open === "edit" && (
        <EditEndpoint
          e={v}
          close={() => setOpen("")}
          done={() => {
            setOpen("");
            void e.reload();
          }}
        />
      )}
      {open === "adopt" && (
        <AdoptEndpoint
          e={v}
          close={() => setOpen("")}
          done={(a) => {
            setOpen("");
            setAdopted(a);
            void e.reload();
          }}
        />
      )}
    </>
  );
}

/** Drift side by side: ours on the left, each address on the right, differences marked in words. */
function HeldServed({ e, cert }: { e: Endpoint; cert: CertDetail | null }): JSX.Element {
  const seen = e.seen?.addresses ?? [];
  return (
    <div class="drift">
      <section aria-label={t("held")}>
        <h3>{t("held")}</h3>
        {cert ? (
          <dl class="side-facts">
            <dt>{t("certificate")}</dt>
            <dd>
              <A href={`/certs/${cert.id}`}>{display(cert.name)}</A>
            </dd>
            <dt>{t("issuer")}</dt>
            <dd>{cn(cert.issuer)}</dd>
            <dt>{t("serial")}</dt>
            <dd>
              <Code text={cert.serial} short={20} />
            </dd>
            <dt>{t("expires")}</dt>
            <dd>{date(cert.not_after)}</dd>
            <dt>{t("fingerprint")}</dt>
            <dd>
              <Code text={cert.sha256} short={20} />
            </dd>
          </dl>
        ) : (
          <p class="muted">{t("no_cert_expected_text")}</p>
        )}
      </section>
      <section aria-label={t("served")}>
        <h3>{t("served")}</h3>
        {e.seen?.error && <p class="fault">{faultText(e.seen.error)}</p>}
        {seen.length === 0 && !e.seen?.error && <p class="muted">{t("not_looked_yet")}</p>}
        {seen.map((a) => {
          const differs = cert && a.sha256 && a.sha256 !== cert.sha256;
          const mark = (x: boolean): string => (x ? "differs" : "");
          return (
            <article key={a.addr} class={differs ? "served differs-box" : "served"}>
              <p class="item-head">
                <b class="mono">{a.addr}</b> <State of={a.state} />
              </p>
              {a.sha256 && (
                <dl class="side-facts">
                  <dt>{t("subject")}</dt>
                  <dd>{cn(a.subject) || "–"}</dd>
                  <dt>{t("issuer")}</dt>
                  <dd class={mark(!!cert && cn(a.issuer) !== cn(cert.issuer))}>{cn(a.issuer)}</dd>
                  <dt>{t("serial")}</dt>
                  <dd class={mark(!!cert && a.serial !== cert.serial)}>
                    <Code text={a.serial} short={20} />
                  </dd>
                  <dt>{t("expires")}</dt>
                  <dd class={mark(!!cert && a.not_after !== cert.not_after)}>{date(a.not_after)}</dd>
                  <dt>{t("fingerprint")}</dt>
                  <dd class={mark(!!differs)}>
                    <Code text={a.sha256} short={20} />
                  </dd>
                  <dt>{t("protocol")}</dt>
                  <dd>
                    {a.protocol} · {a.trusted ? t("trusted") : t("untrusted")}
                  </dd>
                  {(a.unusual ?? []).map((x) => (
                    <dd key={x} class="warn-text">
                      ! {word("unusual." + x)}
                    </dd>
                  ))}
                </dl>
              )}
              {differs && <p class="warn-text small">≠ {t("differs_text")}</p>}
            </article>
          );
        })}
      </section>
    </div>
  );
}

function Observations({ list }: { list: ReturnType<typeof usePages<Observation>> }): JSX.Element {
  const columns: Column<Observation>[] = [
    { id: "at", label: t("looked_at"), width: "13rem", show: (o) => <When at={o.at} stack time /> },
    { id: "addr", label: t("address"), width: "11rem", show: (o) => <span class="mono">{o.addr ?? "–"}</span> },
    { id: "what", label: t("finding"), head: true, show: (o) => (o.error ? <span class="bad-text">{faultText(o.error)}</span> : <span>{cn(o.subject)} · {cn(o.issuer)}</span>) },
    { id: "end", label: t("expires"), level: 2, width: "10rem", show: (o) => <When at={o.not_after} stack /> },
    { id: "print", label: t("fingerprint"), level: 3, width: "11rem", show: (o) => <Code text={o.sha256} short={12} /> },
  ];
  return <Table label={t("observations")} {...list} columns={columns} empty={<p class="muted">{t("not_looked_yet")}</p>} />;
}

function EditEndpoint({ e, close, done }: { e: Endpoint; close: () => void; done: () => void }): JSX.Element {
  const [expect, setExpect] = useState(e.cert ? String(e.cert) : "");
  const [every, setEvery] = useState(secsText(e.every));
  const save = useSave<Endpoint>({
    of: { path: `/endpoints/${e.id}`, revision: e.revision },
    send: (revision) => call("PATCH", `/endpoints/${e.id}`, { cert: expect || null, every, revision }),
    done,
  });
  return (
    <Dialog title={`${e.host}:${e.port}`} onClose={close}>
      <form onSubmit={save.submit}>
        <Choose<Cert> of="/certs" label={t("cert_expected")} value={expect} none={t("none_expected")} onValue={setExpect} help={t("cert_expected_help")} />
        <Field label={t("look_every")} value={every} onValue={setEvery} help={t("secs_help")} required />
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}
