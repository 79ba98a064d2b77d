// Binding a certificate to a target: the place's form comes from the target type's place table.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Cert, type Connector, type Page } from "../lib/api";
import { getLang, t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { display } from "../lib/idn";
import { A } from "../lib/router";
import { Fault, Select, toast } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { Fields, outgoing, useTypes, type Values } from "../ui/form";

export function BindDialog({ cert, target, close, done }: { cert?: Cert; target?: Connector; close: () => void; done: () => void }): JSX.Element {
  const targets = useGet<Page<Connector>>(target ? null : "/targets?limit=500").value?.items;
  const certs = useGet<Page<Cert>>(cert ? null : "/certs?limit=500&sort=name").value?.items;
  const types = useTypes("target", getLang());
  const [tid, setTid] = useState(target ? String(target.id) : "");
  const [cid, setCid] = useState(cert ? String(cert.id) : "");
  const [place, setPlace] = useState<Values>({});
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const chosen = target ?? targets?.find((x) => String(x.id) === tid);
  const fields = types?.find((x) => x.id === chosen?.type)?.place_fields ?? [];
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("POST", "/bindings", { cert: cid, target: tid, place: outgoing(fields, place) });
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
        {!cert && <Select label={t("certificate")} value={cid} of={[["", t("choose")], ...(certs ?? []).map((x): [string, string] => [String(x.id), display(x.name)])]} onValue={setCid} required />}
        {!target && (
          <Select
            label={t("target")}
            value={tid}
            of={[["", t("choose")], ...(targets ?? []).map((x): [string, string] => [String(x.id), x.name])]}
            onValue={(v) => {
              setTid(v);
              setPlace({});
            }}
            help={t("bind_target_help")}
            required
          />
        )}
        {targets?.length === 0 && (
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
          <button class="primary" disabled={busy || !tid || !cid}>
            {t("bind")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
