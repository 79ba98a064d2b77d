// The certificates: search, filters as chips, saved views, bulk actions that show their plan first.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, follow, type Cert, type Connector, type Job, type Page, type Plan } from "../lib/api";
import { date, relative, stateText, t } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { canOperate } from "../lib/role";
import { A, go, type Place } from "../lib/router";
import { display } from "../lib/idn";
import { healthOrder } from "../pic/pics";
import { Chip, Empty, Head, Select, State, When, errorText, toast } from "../ui/basic";
import { Choose } from "../ui/choose";
import { exportCsv } from "../ui/csv";
import { Dialog } from "../ui/dialog";
import { Table, usePages, type Column } from "../ui/table";
import { TagDialog, Tags, useTags } from "../ui/tags";
import { PlanView } from "../ui/plan";
import { ViewBar } from "./views";

function certColumns(): Column<Cert>[] {
  return [
    { id: "state", label: t("state"), width: "8.5rem", show: (c) => <State of={c.health} /> },
    {
      id: "name",
      label: t("cert_name"),
      sort: "name",
      head: true,
      show: (c) => {
        const others = c.names.filter((n) => n !== c.name);
        return (
          <div class="two">
            <A href={`/certs/${c.id}`} title={c.name}>
              {display(c.name)}
            </A>
            {others.length + c.tags.length > 0 && (
              <span class="muted small">
                {others.slice(0, 3).map(display).join(", ")}
                {others.length > 3 && ` ${t("and_more", others.length - 3)}`} <Tags of={c.tags.slice(0, 5)} to={(x) => "/certs?tag=" + encodeURIComponent(x)} />
              </span>
            )}
          </div>
        );
      },
    },
    { id: "expires", label: t("expires"), sort: "expires", width: "10rem", show: (c) => <When at={c.not_after} stack /> },
    { id: "renewal", label: t("next_action"), sort: "renewal", width: "12.5rem", level: 2, show: (c) => <NextAction c={c} /> },
    {
      id: "targets",
      label: t("targets"),
      width: "6.5rem",
      level: 2,
      show: (c) =>
        c.targets.total === 0 ? (
          <span class="muted">–</span>
        ) : (
          <span title={t("targets_in_sync")}>
            {c.targets.deployed} / {c.targets.total}
            {c.targets.failed > 0 && <span class="bad-text small"> {t("n_failed", c.targets.failed)}</span>}
          </span>
        ),
    },
    { id: "ca", label: t("ca"), width: "9rem", level: 2, show: (c) => <span class="line">{c.ca ?? c.issuer ?? "–"}</span> },
    { id: "key", label: t("key"), width: "6rem", level: 3, show: (c) => c.key },
  ];
}

function NextAction({ c }: { c: Cert }): JSX.Element {
  if (c.health === "ordering") return <span>{t("now_ordering")}</span>;
  if (!c.renew_at) return <span class="muted">{c.ca ? t("renew_by_hand") : t("renew_none")}</span>;
  return (
    <span class="two">
      <span>{t("renews_on", date(c.renew_at))}</span>
      <span class="muted small">{relative(c.renew_at)}</span>
    </span>
  );
}

export function CertsScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("certificates"));
  const q = place.query;
  const state = q.get("state") ?? "";
  const states = new Set(state ? state.split(",") : []);
  const sort = q.get("sort") ?? "expires";
  const tags = (q.get("tag") ?? "").split(",").filter(Boolean);
  const params = { q: q.get("q"), tag: tags.join(","), state, ca: q.get("ca"), target: q.get("target"), organisation: q.get("organisation"), end_from: q.get("from"), end_before: q.get("before"), sort };
  const list = usePages<Cert>("/certs", params, ["cert", "job"]);
  const cas = useGet<Page<Connector>>("/cas?limit=500").value;
  const [selected, setSelected] = useState<Set<number>>(new Set());
  const [bulk, setBulk] = useState<"renew" | "deploy" | "tags" | null>(null);
  const known = useTags().filter((x) => !tags.includes(x));
  const set = (change: Record<string, string | null>): void => {
    const n = new URLSearchParams(q);
    for (const [k, v] of Object.entries(change)) if (v) n.set(k, v);
      else n.delete(k);
    const s = n.toString();
    go("/certs" + (s ? "?" + s : ""), true);
  };
  const toggle = (h: string): void => {
    const n = new Set(states);
    if (!n.delete(h)) n.add(h);
    set({ state: [...n].join(",") });
  };
  const setTags = (list: string[]): void => set({ tag: list.join(",") });
  const filtered = !!(params.q || params.tag || state || params.ca || params.target || params.organisation || params.end_from || params.end_before);
  return (
    <>
      <Head title={t("certificates")} lead={t("certs_lead")}>
        {canOperate() && (
          <>
            <A href="/certs/import" class="button">
              {t("import_cert")}
            </A>
            <A href="/certs/new" class="button primary">
              {t("request_cert")}
            </A>
          </>
        )}
      </Head>
      <div class="filters">
        <input
          type="search"
          class="search"
          placeholder={t("certs_search")}
          aria-label={t("certs_search")}
          value={params.q ?? ""}
          onInput={(e) => set({ q: e.currentTarget.value })}
        />
        <div class="chips" role="group" aria-label={t("state")}>
          {healthOrder.map((h) => (
            <Chip key={h} on={states.has(h)} toggle={() => toggle(h)}>
              {stateText(h).text}
            </Chip>
          ))}
        </div>
        <Select hideLabel label={t("ca")} value={params.ca ?? ""} of={[["", t("any_ca")], ...(cas?.items ?? []).map((c): [string, string] => [c.name, c.name])]} onValue={(v) => set({ ca: v })} />
        <Choose<Connector> of="/targets" by="name" hideLabel label={t("target")} value={params.target ?? ""} none={t("any_target")} onValue={(v) => set({ target: v })} />
        {known.length > 0 && <Select hideLabel label={t("tags")} value="" of={[["", t("any_tag")], ...known.map((x): [string, string] => [x, x])]} onValue={(v) => v && setTags([...tags, v])} />}
        {tags.map((x) => (
          <Chip key={x} on toggle={() => setTags(tags.filter((y) => y !== x))}>
            # {x}
          </Chip>
        ))}
        {params.organisation && (
          <Chip on toggle={() => set({ organisation: null })}>
            {t("org_subject")}: {params.organisation}
          </Chip>
        )}
        {(params.end_from || params.end_before) && (
          <Chip on toggle={() => set({ from: null, before: null })}>
            {t("ends_between", params.end_from ? date(Number(params.end_from) * 1000) : "…", params.end_before ? date(Number(params.end_before) * 1000) : "…")}
          </Chip>
        )}
      </div>
      <ViewBar screen="certs" filtered={filtered} csv={() => certsCsv(params)}>
        <A href="/report/inventory" class="quiet button">
          {t("print_report")}
        </A>
      </ViewBar>
      {selected.size > 0 && (
        <div class="bulk" role="region" aria-label={t("bulk")}>
          <b>{t("n_selected", selected.size)}</b>
          {canOperate() && (
            <>
              <button onClick={() => setBulk("renew")}>{t("renew")}</button>
              <button onClick={() => setBulk("deploy")}>{t("deploy")}</button>
              <button onClick={() => setBulk("tags")}>{t("tags")}</button>
            </>
          )}
          <button class="quiet" onClick={() => setSelected(new Set())}>
            {t("deselect")}
          </button>
        </div>
      )}
      <Table
        label={t("certificates")}
        {...list}
        retry={() => void list.reload()}
        columns={certColumns()}
        link={(c) => `/certs/${c.id}`}
        sort={sort}
        onSort={(s) => set({ sort: s })}
        selected={selected}
        onSelect={setSelected}
        empty={
          filtered ? (
            <Empty
              title={t("nothing_matches")}
              action={
                <>
                  {params.q && !params.q.startsWith("*") && <button onClick={() => set({ q: "*" + params.q })}>{t("search_inside")}</button>}
                  <button onClick={() => go("/certs", true)}>{t("filters_clear")}</button>
                </>
              }
            >
              {params.q && <p>{t("search_how")}</p>}
            </Empty>
          ) : (
            <Empty
              title={t("certs_none")}
              action={
                canOperate() && (
                  <>
                    <A href="/certs/new" class="button primary">
                      {t("request_cert")}
                    </A>
                    <A href="/guide" class="button">
                      {t("guide")}
                    </A>
                  </>
                )
              }
            >
              <p>{t("certs_none_text")}</p>
            </Empty>
          )
        }
      />
      {bulk === "tags" && (
        <TagDialog
          certs={(list.rows ?? []).filter((c) => selected.has(c.id))}
          close={() => setBulk(null)}
          done={() => {
            setBulk(null);
            void list.reload();
          }}
        />
      )}
      {bulk && bulk !== "tags" && <Bulk what={bulk} certs={(list.rows ?? []).filter((c) => selected.has(c.id))} close={() => setBulk(null)} />}
    </>
  );
}

interface Line {
  cert: Cert;
  text: string;
  state: string;
  plans?: { target: string; plan: Plan }[];
}

/** What would happen to each, then the work, one after the other, with its result beside it. */
function Bulk({ what, certs, close }: { what: "renew" | "deploy"; certs: Cert[]; close: () => void }): JSX.Element {
  const able = (c: Cert): string => (what === "renew" ? (c.ca ? "" : t("no_ca_short")) : c.targets.total ? "" : t("no_binding_short"));
  const [lines, setLines] = useState<Line[]>(certs.map((c) => ({ cert: c, text: able(c) || (what === "renew" ? t("will_renew", c.ca ?? "") : t("will_deploy", c.targets.total)), state: able(c) ? "skipped" : "ready" })));
  const [busy, setBusy] = useState<"" | "plan" | "run" | "done">("");
  const put = (id: number, change: Partial<Line>): void => setLines((l) => l.map((x) => (x.cert.id === id ? { ...x, ...change } : x)));
  const each = async (fn: (c: Cert) => Promise<void>): Promise<void> => {
    for (const l of lines) {
      if (l.state === "skipped") continue;
      try {
        await fn(l.cert);
      } catch (x) {
        put(l.cert.id, { state: "failed", text: errorText(x) });
      }
    }
  };
  const plan = async (): Promise<void> => {
    setBusy("plan");
    await each(async (c) => {
      put(c.id, { state: "running", text: t("planning") });
      const a = await call<{ job: Job }>("POST", `/certs/${c.id}/deploy`, { plan: true });
      const j = await follow(a.job.id, () => undefined);
      const plans = (j.progress as { plans?: { target: string; plan: Plan }[] } | null)?.plans ?? [];
      if (j.state !== "done") throw new Error(j.error ? errorText(j.error) : j.state);
      put(c.id, { state: "ready", plans, text: plans.every((p) => p.plan.unchanged) ? t("plan_nothing") : t("plan_changes", plans.filter((p) => !p.plan.unchanged).length) });
    });
    setBusy("");
  };
  const run = async (): Promise<void> => {
    setBusy("run");
    await each(async (c) => {
      await call<{ job: Job }>("POST", `/certs/${c.id}/${what}`, {});
      put(c.id, { state: "running", text: t("started") });
    });
    setBusy("done");
    toast(t("bulk_started"));
  };
  const n = lines.filter((l) => l.state !== "skipped").length;
  return (
    <Dialog title={what === "renew" ? t("bulk_renew", certs.length) : t("bulk_deploy", certs.length)} onClose={close} wide>
      <p class="lead">{what === "renew" ? t("bulk_renew_text") : t("bulk_deploy_text")}</p>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("bulk")}>
        <ul class="lines">
          {lines.map((l) => (
            <li key={l.cert.id}>
              <State of={l.state} /> <b>{display(l.cert.name)}</b> <span class="muted">{l.text}</span>
              {l.plans && l.plans.some((p) => !p.plan.unchanged) && <PlanView plans={l.plans} small />}
            </li>
          ))}
        </ul>
      </div>
      <div class="actions end">
        <button onClick={close}>{busy === "done" ? t("close") : t("cancel")}</button>
        {what === "deploy" && busy !== "done" && (
          <button disabled={!!busy || n === 0} onClick={() => void plan()}>
            {t("show_plan")}
          </button>
        )}
        {busy !== "done" && (
          <button class="primary" disabled={!!busy || n === 0} onClick={() => void run()}>
            {what === "renew" ? t("renew_n", n) : t("deploy_n", n)}
          </button>
        )}
      </div>
    </Dialog>
  );
}

const certsCsv = (params: Record<string, string | null>): Promise<void> =>
  exportCsv<Cert>({
    path: "/certs",
    params,
    name: "certificates",
    head: [t("cert_name"), t("names"), t("state"), t("not_before"), t("expires"), t("next_renewal"), t("ca"), t("issuer"), t("serial"), t("fingerprint"), t("key"), t("targets"), t("tags")],
    row: (c) => [
      c.name,
      c.names.join(" "),
      stateText(c.health).text,
      c.not_before,
      c.not_after,
      c.renew_at,
      c.ca,
      c.issuer,
      c.serial,
      c.sha256,
      c.key,
      `${c.targets.deployed}/${c.targets.total}`,
      c.tags.join(" "),
    ],
  });
