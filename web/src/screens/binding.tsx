// Binding a certificate to a target: the place's form comes from the target type's place table.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Cert, type Connector, type Page } from "../lib/api";
import { getLang, t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, toast } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { Fields, outgoing, useTypes, type Values } from "../ui/form";
import { Choose } from "../ui/choose";

export function BindDialog({ cert, target, close, done }: { cert?: Cert; target?: Connector; close: () => void; done: () => void }): JSX.Element {
  const none = useGet<Page<Connector>>(target ? null : "/targets?limit=1").value?.items.length === 0;
  const types = useTypes("target", getLang());
  const [picked, setPicked] = useState<Connector | null>(null);
  const [cid, setCid] = useState(cert ? String(cert.id) : "");
  const [place, setPlace] = useState<Values>({});
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const chosen = target ?? picked;
  const fields = types?.find((x) => x.id === chosen?.type)?.place_fields ?? [];
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("POST", "/bindings", { cert: cid, target: String(chosen?.id ?? ""), place: outgoing(fields, place) });
      toast(t("bound"));
      done();
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("bind_add")} onClose={close}>
      <form onSubmit={(e) => void save(e)}>
        {!cert && <Choose<Cert> of="/certs" label={t("certificate")} value={cid} none={t("choose")} onValue={setCid} required />}
        {!target && (
          <Choose<Connector>
            of="/targets"
            label={t("target")}
            value={picked ? String(picked.id) : ""}
            none={t("choose")}
            onValue={(_, row) => {
              setPicked(row);
              setPlace({});
            }}
            help={t("bind_target_help")}
            required
          />
        )}
        {none && (
          <p>
            {t("targets_none")} <A href="/targets/new">{t("target_add")}</A>
          </p>
        )}
        {chosen && <Fields fields={fields} values={place} set={setPlace} error={error} />}
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={busy || !chosen || !cid}>
            {t("bind")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
