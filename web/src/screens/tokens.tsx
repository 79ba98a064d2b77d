// API トークン: shown once, limited in rights and time, and it says when it was last used.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, type Page, type Schemas } from "../lib/api";
import { duration, t, word } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { Code, Empty, Fault, Field, Select, When, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { Listing, rowsOf } from "../ui/list";
import { type Column } from "../ui/table";

type Token = Schemas["Token"] & Partial<Schemas["TokenCreated"]>;

export function TokensPanel(): JSX.Element {
  const list = useGet<Page<Token>>("/tokens", []);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Token | null>(null);
  if (list.error instanceof ApiError && list.error.status === 404) return <Empty title={t("tokens")}>{t("tokens_absent")}</Empty>;
  const columns: Column<Token>[] = [
    {
      id: "name",
      label: t("name"),
      head: true,
      show: (x) => (
        <div class="two">
          <span>{x.name}</span>
          <span class="muted small">{x.user}</span>
        </div>
      ),
    },
    { id: "role", label: t("role"), width: "9rem", level: 2, show: (x) => word("role." + x.role) },
    { id: "used", label: t("last_used"), width: "12rem", level: 2, show: (x) => (x.last_used ? <div class="two"><When at={x.last_used} /><span class="muted small">{x.last_address}</span></div> : <span class="muted">{t("never_used")}</span>) },
    { id: "ends", label: t("ends"), width: "11rem", show: (x) => <When at={x.expires} stack /> },
    {
      id: "do",
      label: t("actions"),
      width: "6rem",
      show: (x) => (
        <button
          class="quiet danger-text"
          aria-label={`${t("token_revoke")} ${x.name}`}
          onClick={() =>
            ask({
              title: t("token_revoke_ask", x.name),
              body: <p>{t("token_revoke_what")}</p>,
              action: t("token_revoke"),
              danger: true,
              run: async () => {
                await call("DELETE", `/tokens/${x.id}`);
                await list.reload();
              },
            })
          }
        >
          {t("token_revoke")}
        </button>
      ),
    },
  ];
  return (
    <Listing
      panel="tokens"
      title={t("tokens")}
      lead={t("tokens_lead")}
      add={{ text: t("token_add"), to: () => setAdding(true) }}
      none={t("tokens_none")}
      noneText={t("tokens_none_text")}
      list={rowsOf(list)}
      columns={columns}
    >
      {adding && (
        <AddToken
          close={() => setAdding(false)}
          done={(x) => {
            setAdding(false);
            setMade(x);
            void list.reload();
          }}
        />
      )}
      {made && (
        <Dialog title={t("token_made", made.name)} onClose={() => setMade(null)}>
          <p class="note warn">{t("token_once")}</p>
          <p class="secret">
            <Code text={made.token ?? ""} />
          </p>
          <div class="actions end">
            <button class="primary" onClick={() => setMade(null)}>
              {t("token_kept")}
            </button>
          </div>
        </Dialog>
      )}
    </Listing>
  );
}

function AddToken({ close, done }: { close: () => void; done: (x: Token) => void }): JSX.Element {
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [expires, setExpires] = useState("90d");
  const [error, setError] = useState<unknown>(null);
  return (
    <Dialog title={t("token_add")} onClose={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          call<Token>("POST", "/tokens", { name: name.trim(), role, expires }).then((x) => {
            toast(t("saved"));
            done(x);
          }, setError);
        }}
      >
        <Field label={t("name")} value={name} onValue={setName} help={t("token_name_help")} required focus />
        <Select label={t("token_role")} value={role} of={["viewer", "operator", "admin"].map((r) => [r, word("role." + r)])} onValue={setRole} help={word("role_help." + role)} />
        <Select label={t("token_ends")} value={expires} of={[["30d", duration(30 * 86400)], ["90d", duration(90 * 86400)], ["365d", duration(365 * 86400)]]} onValue={setExpires} />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary">{t("token_add")}</button>
        </div>
      </form>
    </Dialog>
  );
}
