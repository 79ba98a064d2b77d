// ベンダー＞署名鍵: the keys that sign licences, from the one that waits to those that ended.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Schemas } from "../lib/api";
import { useGet } from "../lib/hooks";
import { number, t } from "../lib/i18n";
import { Code, Empty, Fault, State, When, toast } from "../ui/basic";
import { ask } from "../ui/dialog";
import { Table, type Column } from "../ui/table";

type DeskKey = Schemas["DeskKey"];

export function VendorKeys(): JSX.Element {
  const list = useGet<{ items: DeskKey[] }>("/vendor/keys", []);
  const [error, setError] = useState<unknown>(null);
  const keys = [...(list.value?.items ?? [])].reverse();
  const end = (k: DeskKey, revoke: boolean): void =>
    ask({
      title: t(revoke ? "vendor_key_revoke_ask" : "vendor_key_retire_ask", k.key_id),
      body: <p>{t(revoke ? "vendor_key_revoke_what" : "vendor_key_retire_what")}</p>,
      action: t(revoke ? "vendor_key_revoke" : "vendor_key_retire"),
      danger: true,
      run: async () => {
        await call("POST", `/vendor/keys/${k.id}/retire`, { revoke });
        toast(t("saved"));
        void list.reload();
      },
    });
  const rotate = (): void =>
    ask({
      title: t("vendor_key_rotate_ask"),
      body: <p>{t("vendor_key_rotate_what")}</p>,
      action: t("vendor_key_rotate"),
      run: async () => {
        await call("POST", "/vendor/keys/rotate");
        toast(t("saved"));
        void list.reload();
      },
    });
  const make = (): void => {
    setError(null);
    call("POST", "/vendor/keys", {}).then(() => {
      toast(t("vendor_key_made"));
      void list.reload();
    }, setError);
  };
  const columns: Column<DeskKey>[] = [
    { id: "state", label: t("state"), width: "10rem", show: (k) => <State of={k.state} /> },
    {
      id: "key",
      label: t("vendor_key_id"),
      head: true,
      show: (k) => (
        <div class="two">
          <Code text={k.key_id} />
          <span class="muted small">
            SHA-256 <Code text={k.fingerprint} short={16} />
          </span>
        </div>
      ),
    },
    { id: "licences", label: t("vendor_key_licences"), width: "9rem", level: 2, show: (k) => number(k.licences) },
    { id: "since", label: t("vendor_key_since"), width: "12rem", level: 3, show: (k) => <When at={k.changed ?? k.created} stack /> },
    {
      id: "do",
      label: t("actions"),
      width: "12rem",
      show: (k) => (
        <>
          {(k.state === "old" || k.state === "next") && (
            <button class="quiet" aria-label={`${t("vendor_key_retire")} ${k.key_id}`} onClick={() => end(k, false)}>
              {t("vendor_key_retire")}
            </button>
          )}
          {k.state !== "current" && k.state !== "revoked" && (
            <button class="quiet danger-text" aria-label={`${t("vendor_key_revoke")} ${k.key_id}`} onClick={() => end(k, true)}>
              {t("vendor_key_revoke")}
            </button>
          )}
        </>
      ),
    },
  ];
  return (
    <>
      <p class="lead">{t("vendor_keys_text")}</p>
      <p class="actions no-print">
        <button class="primary" onClick={rotate}>
          {t("vendor_key_rotate")}
        </button>
        {!keys.some((k) => k.state === "next") && <button onClick={make}>{t("vendor_key_new")}</button>}
      </p>
      <Fault error={error} />
      <Table label={t("vendor_keys")} rows={list.value ? keys : null} error={list.error} retry={() => void list.reload()} columns={columns} empty={<Empty title={t("nothing_matches")} />} />
    </>
  );
}
