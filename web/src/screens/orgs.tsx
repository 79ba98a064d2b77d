// 組織・担当者: who applies. Entered once; an application only chooses one.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Field as F, type Page, type Schemas, type TypeSchema } from "../lib/api";
import { getLang, t } from "../lib/i18n";
import { useGet, useKept, useTitle } from "../lib/hooks";
import { canOperate } from "../lib/role";
import { A, go } from "../lib/router";
import { Facts, Fault, Field, Head, Loading, Panel, Select, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { Fields, faultAt, outgoing, useTypes, type Values } from "../ui/form";
import { Listing } from "../ui/list";
import { SaveEnd, useSave } from "../ui/save";
import { GroupSelect } from "../ui/group";
import { Table, usePages, type Column } from "../ui/table";

type Contact = Schemas["Contact"];
type Org = Schemas["Organisation"];

const text = (v: Values, name: string): string => String(v[name] ?? "");
/** A field's value as a person reads it: of a choice its label. */
const shown = (f: F, v: Values): string => f.choices?.find((c) => c.value === v[f.name])?.label ?? text(v, f.name);
const label = (type: TypeSchema | undefined, v: Values, name: string): string => {
  const f = type?.fields?.find((x) => x.name === name);
  return f ? shown(f, v) : text(v, name);
};
/** The name in the language shown, the other below. */
function Both({ v, name }: { v: Values; name: string }): JSX.Element {
  const en = text(v, name);
  const ja = text(v, name + "_ja");
  const [a, b] = getLang() === "ja" && ja ? [ja, en] : [en, ja];
  return (
    <div class="two">
      <span>{a}</span>
      {b && <span class="muted small">{b}</span>}
    </div>
  );
}
/** All of a form, what is empty as null: what was taken out is taken away. */
const whole = (fields: F[], v: Values): Values => ({ ...Object.fromEntries(fields.map((f) => [f.name, null])), ...outgoing(fields, v) });

export function OrgsScreen({ id }: { id?: string }): JSX.Element {
  if (id === "new") return <NewOrg />;
  return id ? <OrgScreen key={id} id={id} /> : <OrgList />;
}

function OrgList(): JSX.Element {
  useTitle(t("orgs"));
  const list = usePages<Org>("/orgs", {}, ["org"]);
  const columns: Column<Org>[] = [
    {
      id: "name",
      label: t("name"),
      head: true,
      show: (o) => (
        <div class="two">
          <A href={`/orgs/${o.id}`}>{o.name}</A>
          <span class="muted small">{o.group ?? t("org_shared")}</span>
        </div>
      ),
    },
    { id: "legal", label: t("org_legal"), show: (o) => <Both v={o.details} name="legal_name" /> },
    { id: "place", label: t("org_place"), level: 2, show: (o) => ["locality", "state", "country"].map((k) => text(o.details, k)).filter(Boolean).join(", ") },
    { id: "contacts", label: t("contacts"), level: 2, width: "7rem", num: true, show: (o) => o.contacts.length },
    { id: "certs", label: t("certificates"), width: "7rem", num: true, show: (o) => (o.certs ? <A href={`/certs?organisation=${encodeURIComponent(o.name)}`}>{o.certs}</A> : o.certs) },
  ];
  return (
    <Listing
      title={t("orgs")}
      lead={t("orgs_lead")}
      add={canOperate() && { text: t("org_add"), to: "/orgs/new" }}
      search={{ hint: t("orgs_search"), of: (o) => [o.name, text(o.details, "legal_name"), text(o.details, "legal_name_ja"), ...o.contacts.map((c) => text(c.details, "name") + text(c.details, "name_ja") + text(c.details, "mail"))] }}
      none={t("orgs_none")}
      noneText={t("orgs_none_text")}
      list={list}
      columns={columns}
      link={(o) => `/orgs/${o.id}`}
    />
  );
}

function OrgForm({ type, old, done, cancel }: { type: TypeSchema; old?: Org; done: (o: Org) => void; cancel: () => void }): JSX.Element {
  const fields = type.fields ?? [];
  const [name, setName] = useState(old?.name ?? "");
  const [group, setGroup] = useState(old?.group ?? "");
  const [values, setValues] = useState<Values>({ ...(old?.details ?? {}) });
  const save = useSave<Org>({
    of: old && { path: `/orgs/${old.id}`, revision: old.revision },
    send: (revision) =>
      old
        ? call("PATCH", `/orgs/${old.id}`, { name: name.trim(), details: whole(fields, values), ...(group !== (old.group ?? "") ? { group } : {}), revision })
        : call("POST", "/orgs", { name: name.trim(), details: outgoing(fields, values), ...(group ? { group } : {}) }),
    done,
  });
  return (
    <form class="form pairs" onSubmit={save.submit}>
      <Field label={t("name")} value={name} onValue={setName} required focus={!old} help={t("org_name_help")} fault={faultAt(save.error, "name")} />
      <GroupSelect value={group} set={setGroup} none={t("org_shared")} />
      <Fields fields={fields} values={values} set={setValues} error={save.error} editing={!!old} />
      <SaveEnd of={save} cancel={cancel} />
    </form>
  );
}

function NewOrg(): JSX.Element {
  useTitle(t("org_add"));
  const type = useTypes("org", getLang())?.[0];
  return (
    <>
      <Head up={["/orgs", t("orgs")]} title={t("org_add")} lead={t("orgs_lead")} />
      {type ? (
        <Panel title={t("org_facts")} id="org">
          <OrgForm type={type} done={(o) => go(`/orgs/${o.id}`)} cancel={() => go("/orgs")} />
        </Panel>
      ) : (
        <Loading />
      )}
    </>
  );
}

function OrgScreen({ id }: { id: string }): JSX.Element {
  const o = useGet<Org>(`/orgs/${encodeURIComponent(id)}`, ["org"]);
  const types = useTypes("org", getLang());
  const [edit, setEdit] = useState(false);
  useTitle(o.value?.name ?? t("orgs"));
  if (!o.value || !types) return o.error ? <Fault error={o.error} retry={() => void o.reload()} /> : <Loading />;
  const v = o.value;
  const type = types[0];
  const facts: [string, ComponentChildren][] = (type?.fields ?? []).map((f) => [f.label, shown(f, v.details)]);
  return (
    <>
      <Head up={["/orgs", t("orgs")]} title={v.name} lead={v.certs ? <A href={`/certs?organisation=${encodeURIComponent(v.name)}`}>{t("org_used", v.certs)}</A> : t("org_used", v.certs)}>
        {canOperate() && (
          <>
            <button onClick={() => setEdit(!edit)}>{t("edit")}</button>
            <button
              onClick={() =>
                ask({
                  title: t("remove_ask", v.name),
                  body: <p>{t("org_remove_what", v.contacts.length)}</p>,
                  action: t("remove"),
                  danger: true,
                  run: async () => {
                    await call("DELETE", `/orgs/${v.id}`);
                    toast(t("removed"));
                    go("/orgs");
                  },
                })
              }
            >
              {t("remove")}
            </button>
          </>
        )}
      </Head>
      <Panel title={t("org_facts")} id="org">
        {edit && type ? (
          <OrgForm
            type={type}
            old={v}
            cancel={() => setEdit(false)}
            done={() => {
              setEdit(false);
              void o.reload();
            }}
          />
        ) : (
          <Facts rows={[[t("owner_group"), v.group ?? t("org_shared")], ...facts]} />
        )}
      </Panel>
      <Contacts org={v} type={types[1]} reload={() => void o.reload()} />
    </>
  );
}

function Contacts({ org, type, reload }: { org: Org; type: TypeSchema | undefined; reload: () => void }): JSX.Element {
  const [open, setOpen] = useState<Contact | "new" | null>(null);
  const remove = (c: Contact): void =>
    ask({
      title: t("remove_ask", text(c.details, "name")),
      body: <p>{t("contact_remove_what", org.name)}</p>,
      action: t("remove"),
      danger: true,
      run: async () => {
        await call("DELETE", `/orgs/${org.id}/contacts/${c.id}`);
        reload();
      },
    });
  const columns: Column<Contact>[] = [
    { id: "name", label: t("contact_name"), head: true, show: (c) => <Both v={c.details} name="name" /> },
    { id: "role", label: t("contact_role"), width: "12rem", show: (c) => label(type, c.details, "role") },
    { id: "title", label: t("contact_title"), level: 3, show: (c) => <Both v={c.details} name="title" /> },
    {
      id: "reach",
      label: t("contact_reach"),
      level: 2,
      show: (c) => (
        <div class="two">
          <span>{text(c.details, "mail")}</span>
          <span class="muted small">{text(c.details, "phone")}</span>
        </div>
      ),
    },
    ...(canOperate()
      ? [
          {
            id: "do",
            label: t("actions"),
            width: "10rem",
            show: (c: Contact) => (
              <>
                <button class="quiet" aria-label={`${t("edit")} ${text(c.details, "name")}`} onClick={() => setOpen(c)}>
                  {t("edit")}
                </button>
                <button class="quiet danger-text" aria-label={`${t("remove")} ${text(c.details, "name")}`} onClick={() => remove(c)}>
                  {t("remove")}
                </button>
              </>
            ),
          },
        ]
      : []),
  ];
  return (
    <Panel title={t("contacts")} id="contacts" side={canOperate() && <button onClick={() => setOpen("new")}>{t("contact_add")}</button>}>
      {org.contacts.length === 0 ? <p class="muted">{t("contacts_none")}</p> : <Table label={t("contacts")} rows={org.contacts} columns={columns} empty={<></>} />}
      {open && type && (
        <ContactDialog
          org={org}
          type={type}
          old={open === "new" ? undefined : open}
          close={() => setOpen(null)}
          done={() => {
            setOpen(null);
            reload();
          }}
        />
      )}
    </Panel>
  );
}

function ContactDialog({ org, type, old, close, done }: { org: Org; type: TypeSchema; old?: Contact; close: () => void; done: () => void }): JSX.Element {
  const fields = type.fields ?? [];
  const [values, setValues] = useState<Values>({ ...(old?.details ?? {}) });
  const save = useSave({
    of: { path: `/orgs/${org.id}`, revision: org.revision },
    send: (revision) =>
      old
        ? call("PATCH", `/orgs/${org.id}/contacts/${old.id}`, { details: whole(fields, values), revision })
        : call("POST", `/orgs/${org.id}/contacts`, { details: outgoing(fields, values), revision }),
    done,
  });
  return (
    <Dialog title={old ? t("edit_title", text(old.details, "name")) : t("contact_add")} onClose={close}>
      <form onSubmit={save.submit}>
        <Fields fields={fields} values={values} set={setValues} error={save.error} editing={!!old} />
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}

/** The organisation last chosen in an application: the next one begins with it. */
export const useLastOrg = (): [string, (v: string) => void] => useKept("organisation", "");

/** Whose subject a certificate carries. */
export function OrgSelect({ value, set }: { value: string; set: (v: string) => void }): JSX.Element {
  const list = useGet<Page<Org>>("/orgs?limit=500", ["org"]).value?.items ?? [];
  const now = list.find((o) => o.name === value);
  const of: [string, string][] = [["", t("org_no")], ...list.map((o): [string, string] => [o.name, o.name])];
  if (value && !now) of.push([value, value]);
  const subject = now && [["C", "country"], ["ST", "state"], ["L", "locality"], ["O", "legal_name"]].map(([k, f]) => [k, text(now.details, f as string)]).filter(([, x]) => x);
  return (
    <>
      <Select label={t("org_subject")} value={value} of={of} onValue={set} help={t("org_subject_help")} />
      {subject && <p class="note mono small">{subject.map(([k, x]) => `${k}=${x}`).join(", ")}</p>}
      {list.length === 0 && canOperate() && (
        <p>
          <A href="/orgs/new">＋ {t("org_add")}</A>
        </p>
      )}
    </>
  );
}
