// ベンダー: the desk of whoever runs Inro for others (or for themselves): customers, orders, licences,
// share links, fees and the ledger. Shown to administrators of an installation that has a desk.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, download, type Page, type Schemas, type Postable } from "../lib/api";
import { date, monthYear, number, t, word } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { A, go, type Place } from "../lib/router";
import { Code, Empty, Facts, Fault, Field, Head, Loading, Panel, Select, State, Tabs, When, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { SaveEnd, useSave } from "../ui/save";
import { Table, usePages, type Column } from "../ui/table";
import { VendorKeys } from "./vendorkeys";

type Desk = Schemas["Desk"];
type Customer = Schemas["DeskCustomer"];
type Order = Schemas["DeskOrder"];
type Issued = Schemas["DeskLicence"];
type Entry = Schemas["DeskEntry"];
type Share = Schemas["DeskShare"];
type Tab = "customers" | "orders" | "licences" | "shares" | "keys" | "money" | "ledger";

export function VendorScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("vendor"));
  const desk = useGet<Desk>("/vendor", []);
  const tab = (place.query.get("tab") as Tab | null) ?? "customers";
  const [error, setError] = useState<unknown>(null);
  const [name, setName] = useState("");
  if (!desk.value) return desk.error ? <Fault error={desk.error} retry={() => void desk.reload()} /> : <Loading />;
  if (!desk.value.open)
    return (
      <>
        <Head title={t("vendor")} lead={t("vendor_lead")} />
        <Panel title={t("vendor_open")} id="desk">
          <p class="lead">{t("vendor_open_text")}</p>
          <form
            class="stack"
            onSubmit={(e) => {
              e.preventDefault();
              call("POST", "/vendor", { name: name.trim() }).then(() => void desk.reload(), setError);
            }}
          >
            <Field label={t("vendor_name")} value={name} onValue={setName} required />
            <Fault error={error} />
            <button class="primary">{t("vendor_open")}</button>
          </form>
        </Panel>
      </>
    );
  return (
    <>
      <Head title={t("vendor")} lead={`${desk.value.name ?? ""} · ${t("vendor_today", date(desk.value.today))}${desk.value.renewal_offered ? ` · ${t("vendor_april")}` : ""}`} />
      <Tabs<Tab>
        label={t("vendor")}
        now={tab}
        to={(v) => go("/vendor" + (v === "customers" ? "" : "?tab=" + v), true)}
        of={[
          ["customers", t("customers")],
          ["orders", t("vendor_orders")],
          ["licences", t("vendor_licences")],
          ["shares", t("shares")],
          ["keys", t("vendor_keys")],
          ["money", t("fees")],
          ["ledger", t("ledger")],
        ]}
      />
      {tab === "customers" && <Customers desk={desk.value} />}
      {tab === "orders" && <Orders />}
      {tab === "licences" && <Licences />}
      {tab === "shares" && <Shares />}
      {tab === "keys" && <VendorKeys />}
      {tab === "money" && <Money today={desk.value.today} />}
      {tab === "ledger" && <Ledger />}
    </>
  );
}

const useCustomers = (): Customer[] => useGet<Page<Customer>>("/vendor/customers?limit=500", []).value?.items ?? [];
const nameOf = (list: Customer[], id: number): string => list.find((c) => c.id === id)?.name ?? `#${id}`;

function Customers({ desk }: { desk: Desk }): JSX.Element {
  const list = usePages<Customer>("/vendor/customers", {}, []);
  const [shown, setShown] = useState<Customer | "new" | null>(null);
  const [leaving, setLeaving] = useState<Customer | null>(null);
  const [link, setLink] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const share = async (c: Customer): Promise<void> => {
    setError(null);
    try {
      const a = await call<{ link: string | null; path: string }>("POST", "/vendor/shares", { customer: String(c.id) });
      setLink(a.link ?? location.origin + a.path);
    } catch (x) {
      setError(x);
    }
  };
  const columns: Column<Customer>[] = [
    {
      id: "name",
      label: t("name"),
      head: true,
      show: (c) => (
        <div class="two">
          <span>{c.name}</span>
          <span class="muted small">{c.mail}</span>
        </div>
      ),
    },
    { id: "code", label: t("service_code"), width: "10rem", level: 2, show: (c) => <span class="mono">{c.service_code}</span> },
    { id: "state", label: t("state"), width: "8rem", level: 2, show: (c) => <State of={c.state} /> },
    {
      id: "do",
      label: t("actions"),
      width: "18rem",
      show: (c) => (
        <>
          <button class="quiet" aria-label={`${t("edit")} ${c.name}`} onClick={() => setShown(c)}>
            {t("edit")}
          </button>
          <button class="quiet" aria-label={`${t("share_make")} ${c.name}`} onClick={() => void share(c)}>
            {t("share_make")}
          </button>
          {c.state === "active" && (
            <button class="quiet danger-text" aria-label={`${t("customer_cancel")} ${c.name}`} onClick={() => setLeaving(c)}>
              {t("customer_cancel")}
            </button>
          )}
        </>
      ),
    },
  ];
  return (
    <>
      <p class="actions no-print">
        <button class="primary" onClick={() => setShown("new")}>
          {t("customer_add")}
        </button>
      </p>
      <Fault error={error} />
      <Table label={t("customers")} {...list} columns={columns} empty={<Empty title={t("customers_none")}>{t("vendor_lead")}</Empty>} />
      <Panel title={t("vendor_desk")} id="desk">
        <Facts
          rows={[
            [t("vendor_name"), desk.name],
            [t("vendor_url"), desk.url],
            [t("vendor_key"), <Code text={desk.public_key} short={48} />],
          ]}
        />
      </Panel>
      {shown && (
        <CustomerDialog
          old={shown === "new" ? undefined : shown}
          close={() => setShown(null)}
          done={() => {
            setShown(null);
            void list.reload();
          }}
        />
      )}
      {leaving && (
        <CancelDialog
          customer={leaving}
          today={desk.today}
          close={() => setLeaving(null)}
          done={() => {
            setLeaving(null);
            void list.reload();
          }}
        />
      )}
      {link && (
        <Dialog title={t("share_make")} onClose={() => setLink(null)}>
          <p class="note warn">{t("share_once")}</p>
          <p class="secret">
            <Code text={link} />
          </p>
        </Dialog>
      )}
    </>
  );
}

/** 解約: accepted only with both proofs that the customer brings; the server compares them. */
function CancelDialog({ customer, today, close, done }: { customer: Customer; today: string; close: () => void; done: () => void }): JSX.Element {
  const [code, setCode] = useState("");
  const [file, setFile] = useState("");
  const [on, setOn] = useState(today);
  const [error, setError] = useState<unknown>(null);
  const own = code.replace(/\D/g, "") === customer.service_code;
  return (
    <Dialog title={t("cancel_title", customer.name)} onClose={close}>
      <p class="note warn">{t("cancel_what")}</p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          setError(null);
          call<{ ends_on: string }>("POST", "/vendor/cancellations", { service_code: code.replace(/\D/g, ""), file_name: file.trim(), on }).then((a) => {
            toast(t("cancel_done", date(a.ends_on)));
            done();
          }, setError);
        }}
      >
        <Field label={t("service_code")} value={code} onValue={setCode} required focus mono help={t("cancel_code_help")} fault={code.replace(/\D/g, "").length === 12 && !own ? t("cancel_other", customer.name) : null} />
        <Field label={t("licence_file")} value={file} onValue={setFile} required mono help={t("cancel_file_help")} />
        <Field label={t("accepted_on")} value={on} onValue={setOn} type="date" required />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="danger" disabled={!own || !file.trim()}>
            {t("cancel_accept")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Shares(): JSX.Element {
  const list = usePages<Share>("/vendor/shares", {}, []);
  const customers = useCustomers();
  const columns: Column<Share>[] = [
    {
      id: "who",
      label: t("customers"),
      head: true,
      show: (s) => (
        <div class="two">
          <span>{nameOf(customers, s.customer)}</span>
          <span class="muted small">{t("share_hits", s.hits)}</span>
        </div>
      ),
    },
    { id: "state", label: t("state"), width: "8rem", level: 2, show: (s) => <State of={s.expired ? "expired" : "active"} /> },
    { id: "ends", label: t("expires"), width: "12rem", show: (s) => <When at={s.expires} stack /> },
    { id: "hit", label: t("share_last"), width: "12rem", level: 3, show: (s) => <When at={s.last_hit} stack /> },
    {
      id: "do",
      label: t("actions"),
      width: "8rem",
      show: (s) => (
        <button
          class="quiet danger-text"
          aria-label={`${t("share_end")} #${s.id}`}
          onClick={() =>
            ask({
              title: t("share_end_ask", nameOf(customers, s.customer)),
              body: <p>{t("share_end_what")}</p>,
              action: t("share_end"),
              danger: true,
              run: async () => {
                await call("DELETE", `/vendor/shares/${s.id}`);
                toast(t("removed"));
                void list.reload();
              },
            })
          }
        >
          {t("share_end")}
        </button>
      ),
    },
  ];
  return <Table label={t("shares")} {...list} retry={() => void list.reload()} columns={columns} empty={<Empty title={t("shares_none")}>{t("shares_none_text")}</Empty>} />;
}

function CustomerDialog({ old, close, done }: { old?: Customer; close: () => void; done: () => void }): JSX.Element {
  const [name, setName] = useState(old?.name ?? "");
  const [mail, setMail] = useState(old?.mail ?? "");
  const [lang, setLang] = useState(old?.lang ?? "ja");
  const [installation, setInstallation] = useState(old?.installation ?? "");
  const save = useSave({
    of: old && { path: `/vendor/customers/${old.id}`, revision: old.revision },
    send: (revision) => {
      const body = { name: name.trim(), mail: mail.trim(), lang, ...(installation.trim() ? { installation: installation.trim() } : {}) };
      return old ? call("PATCH", `/vendor/customers/${old.id}`, { ...body, revision }) : call("POST", "/vendor/customers", body);
    },
    done,
  });
  return (
    <Dialog title={old ? t("edit_title", old.name) : t("customer_add")} onClose={close}>
      <form onSubmit={save.submit}>
        <Field label={t("name")} value={name} onValue={setName} required focus />
        <Field label={t("login")} value={mail} onValue={setMail} type="email" required />
        <Select label={t("language")} value={lang} of={["ja", "en"].map((l) => [l, word("lang." + l)])} onValue={setLang} />
        <Field label={t("installation")} value={installation} onValue={setInstallation} help={t("installation_help")} mono />
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}

function Orders(): JSX.Element {
  const list = usePages<Order>("/vendor/orders", {}, []);
  const customers = useCustomers();
  const [adding, setAdding] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const act = (path: Postable, body: unknown): void => {
    setError(null);
    call("POST", path, body).then(() => {
      toast(t("saved"));
      void list.reload();
    }, setError);
  };
  const columns: Column<Order>[] = [
    { id: "state", label: t("state"), width: "8rem", show: (o) => <State of={o.state} /> },
    {
      id: "what",
      label: t("customers"),
      head: true,
      show: (o) => (
        <div class="two">
          <span>{nameOf(customers, o.customer)}</span>
          <span class="muted small">{t("order_what", word("order." + o.kind), number(o.basics), number(o.servers))}</span>
        </div>
      ),
    },
    { id: "on", label: t("ordered_on"), width: "10rem", level: 2, show: (o) => date(o.ordered_on) },
    { id: "term", label: t("term"), width: "11rem", level: 2, show: (o) => <div class="two"><span>{date(o.starts_on)}</span><span class="muted small">– {date(o.ends_on)}</span></div> },
    {
      id: "do",
      label: t("actions"),
      width: "8rem",
      show: (o) =>
        o.state === "issued" ? (
          <A href="/vendor?tab=licences">{t("licence_n", o.licence)}</A>
        ) : (
          <button class="quiet" onClick={() => (o.state === "accepted" ? act("/vendor/licences", { order: o.id }) : act(`/vendor/orders/${o.id}/accept`, undefined))}>
            {o.state === "accepted" ? t("issue") : t("accept")}
          </button>
        ),
    },
  ];
  return (
    <>
      <p class="actions no-print">
        <button class="primary" onClick={() => setAdding(true)}>
          {t("order_add")}
        </button>
      </p>
      <Fault error={error} />
      <Table label={t("vendor_orders")} {...list} columns={columns} empty={<Empty title={t("vendor_orders_none")} />} />
      {adding && (
        <OrderDialog
          customers={customers}
          close={() => setAdding(false)}
          done={() => {
            setAdding(false);
            void list.reload();
          }}
        />
      )}
    </>
  );
}

function OrderDialog({ customers, close, done }: { customers: Customer[]; close: () => void; done: () => void }): JSX.Element {
  const [customer, setCustomer] = useState("");
  const [kind, setKind] = useState("basic");
  const [basics, setBasics] = useState("1");
  const [servers, setServers] = useState("0");
  const [on, setOn] = useState("");
  const [error, setError] = useState<unknown>(null);
  const counted = kind !== "meets";
  return (
    <Dialog title={t("order_add")} onClose={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          call("POST", "/vendor/orders", { customer, kind, ...(counted ? { basics: Number(basics) || 0, servers: Number(servers) || 0 } : {}), ...(on ? { on } : {}) }).then(() => {
            toast(t("saved"));
            done();
          }, setError);
        }}
      >
        <Select label={t("customers")} value={customer} of={[["", t("choose")], ...customers.map((c): [string, string] => [String(c.id), c.name])]} onValue={setCustomer} required />
        <Select label={t("plan")} value={kind} of={["basic", "option", "meets", "convert"].map((k) => [k, word("order." + k)])} onValue={setKind} />
        {counted && <Field label={t("basics")} value={basics} onValue={setBasics} type="number" help={t("basics_help")} />}
        {counted && <Field label={t("servers_added")} value={servers} onValue={setServers} type="number" />}
        <Field label={t("ordered_on")} value={on} onValue={setOn} type="date" help={t("ordered_on_help")} />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={!customer}>
            {t("order_add")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Licences(): JSX.Element {
  const list = usePages<Issued>("/vendor/licences", {}, []);
  const customers = useCustomers();
  const [error, setError] = useState<unknown>(null);
  const save = (l: Issued): void => {
    call<{ file: string }>("GET", `/vendor/licences/${l.id}`).then((x) => {
      const a = document.createElement("a");
      a.href = "data:text/plain;charset=utf-8," + encodeURIComponent(x.file);
      a.download = l.file_name;
      a.click();
    }, setError);
  };
  const columns: Column<Issued>[] = [
    { id: "serial", label: t("licence_serial"), width: "8rem", level: 2, show: (l) => l.serial },
    {
      id: "who",
      label: t("customers"),
      head: true,
      show: (l) => (
        <div class="two">
          <span>{nameOf(customers, l.customer)}</span>
          <span class="muted small">{t("licence_counts", number(l.certificates), number(l.targets))}</span>
        </div>
      ),
    },
    { id: "made", label: t("created_at"), width: "12rem", level: 2, show: (l) => <When at={l.created} stack /> },
    {
      id: "do",
      label: t("actions"),
      width: "9rem",
      show: (l) => (
        <button class="quiet" aria-label={`${t("download")} ${l.file_name}`} onClick={() => save(l)}>
          {t("download")}
        </button>
      ),
    },
  ];
  return (
    <>
      <Fault error={error} />
      <Table label={t("vendor_licences")} {...list} columns={columns} empty={<Empty title={t("vendor_licences_none")} />} />
    </>
  );
}

type Statement = Schemas["DeskStatement"];

function Money({ today }: { today: string }): JSX.Element {
  const fees = useGet<{ items: { item: string; from: string; yen: number }[] }>("/vendor/fees", []);
  const [month, setMonth] = useState(today.slice(0, 7));
  const bill = useGet<Statement>(/^\d{4}-\d{2}$/.test(month) ? `/vendor/statements/${month}` : null, []);
  const [item, setItem] = useState("basic");
  const [yen, setYen] = useState("");
  const [error, setError] = useState<unknown>(null);
  return (
    <>
      <Panel title={t("fees")} id="fees">
        <ul class="lines">
          {(fees.value?.items ?? []).map((f) => (
            <li key={f.item + f.from} class="spread">
              <span>
                {word("fee." + f.item)} <span class="muted small">{t("fee_from", monthYear(f.from))}</span>
              </span>
              <b>{t("yen", number(f.yen))}</b>
            </li>
          ))}
          {fees.value?.items.length === 0 && <li class="muted">{t("fees_none")}</li>}
        </ul>
        <form
          class="form-row"
          onSubmit={(e) => {
            e.preventDefault();
            call("POST", "/vendor/fees", { item, from: month, yen: Number(yen) }).then(() => {
              toast(t("saved"));
              void fees.reload();
              void bill.reload();
            }, setError);
          }}
        >
          <Select label={t("fee_item")} value={item} of={["basic", "server"].map((x) => [x, word("fee." + x)])} onValue={setItem} />
          <Field label={t("month")} value={month} onValue={setMonth} type="month" required />
          <Field label={t("fee_yen")} value={yen} onValue={setYen} type="number" required />
          <div class="actions">
            <button>{t("fee_set")}</button>
          </div>
        </form>
        <Fault error={error} />
      </Panel>
      <Panel
        title={t("statement", monthYear(month))}
        id="statement"
        side={
          <button onClick={() => void download(`/vendor/statements/${month}?format=csv`, `inro-statement-${month}.csv`).catch(setError)}>{t("csv")}</button>
        }
      >
        <Fault error={bill.error} />
        <ul class="lines">
          {(bill.value?.items ?? []).map((x, i) => (
            <li key={i} class="spread">
              <span>
                {x.name} <span class="muted small">{`${word("fee." + x.item)} × ${number(x.count)}`}</span>
              </span>
              <span>{t("yen", number(x.amount))}</span>
            </li>
          ))}
          <li class="spread">
            <b>{t("total")}</b>
            <b>{t("yen", number(bill.value?.total ?? 0))}</b>
          </li>
        </ul>
      </Panel>
    </>
  );
}

function Ledger(): JSX.Element {
  const list = usePages<Entry>("/vendor/ledger", {}, [], "before");
  const customers = useCustomers();
  const [whole, setWhole] = useState("");
  const [error, setError] = useState<unknown>(null);
  const columns: Column<Entry>[] = [
    { id: "at", label: t("when"), width: "13rem", show: (e) => <When at={e.at} stack time /> },
    { id: "what", label: t("what"), head: true, show: (e) => word("ledger." + e.event) },
    { id: "who", label: t("customers"), level: 2, show: (e) => (e.customer ? nameOf(customers, e.customer) : "–") },
    { id: "actor", label: t("who"), level: 3, width: "13rem", show: (e) => e.actor ?? "–" },
  ];
  return (
    <>
      <p class="actions no-print">
        <button onClick={() => call<{ entries: number }>("POST", "/vendor/ledger/verify").then((x) => setWhole(t("audit_whole", number(x.entries))), setError)}>{t("audit_verify")}</button>
      </p>
      <Fault error={error} />
      {whole && (
        <p class="note good" role="status">
          ✓ {whole}
        </p>
      )}
      <Table label={t("ledger")} {...list} columns={columns} empty={<Empty title={t("nothing_matches")} />} />
    </>
  );
}
