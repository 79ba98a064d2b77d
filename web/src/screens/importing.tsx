// Import by drag and drop: what was recognised, what is missing, and only then the import.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Cert, type Schemas } from "../lib/api";
import { date, t } from "../lib/i18n";
import { useTitle } from "../lib/hooks";
import { A, go } from "../lib/router";
import { ChainPicture } from "../pic/pics";
import { Fault, Field, Head, Panel, toast } from "../ui/basic";
import { GroupSelect } from "../ui/group";

type Seen = Schemas["CertInspected"];

/** Text stays text; one DER certificate becomes PEM. */
async function readFile(f: File): Promise<string> {
  const bytes = new Uint8Array(await f.arrayBuffer());
  if (bytes[0] !== 0x30) return new TextDecoder().decode(bytes);
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  const lines = btoa(s).replace(/(.{64})/g, "$1\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

export function ImportScreen(): JSX.Element {
  useTitle(t("import_cert"));
  const [pem, setPem] = useState("");
  const [files, setFiles] = useState<string[]>([]);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [group, setGroup] = useState("");
  const [seen, setSeen] = useState<Seen | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const asked = useRef(0);
  useEffect(() => {
    const mine = ++asked.current;
    setSeen(null);
    setError(null);
    if (!pem.trim()) return;
    const timer = setTimeout(() => {
      call<Seen>("POST", "/certs/inspect", { pem }).then(
        (x) => mine === asked.current && setSeen(x),
        (x: unknown) => mine === asked.current && setError(x),
      );
    }, 300);
    return () => clearTimeout(timer);
  }, [pem]);
  const take = async (list: FileList | null | undefined): Promise<void> => {
    if (!list || list.length === 0) return;
    const all = [...list];
    if (all.reduce((n, f) => n + f.size, 0) > 1_000_000) {
      setError(new Error(t("import_too_big")));
      return;
    }
    const texts = await Promise.all(all.map(readFile));
    setFiles((f) => [...f, ...all.map((x) => x.name)]);
    setPem((p) => [p, ...texts].filter((x) => x.trim()).join("\n"));
  };
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const a = await call<{ cert: Cert }>("POST", "/certs/import", { pem, ...(name.trim() ? { name: name.trim() } : {}), ...(password ? { password } : {}), ...(group ? { group } : {}) });
      toast(t("imported"));
      go(`/certs/${a.cert.id}`);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  const clear = (): void => {
    setPem("");
    setFiles([]);
    setPassword("");
  };
  return (
    <>
      <Head title={t("import_cert")} up={["/certs", t("certificates")]} lead={t("import_lead")} />
      <div
        class={over ? "drop over" : "drop"}
        onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(e) => {
          e.preventDefault();
          setOver(false);
          void take(e.dataTransfer?.files);
        }}
      >
        <p>
          <b>{t("drop_here")}</b>
        </p>
        <p class="muted">{t("drop_what")}</p>
        <input ref={input} class="sr" type="file" multiple aria-label={t("choose_files")} tabIndex={-1} onChange={(e) => void take(e.currentTarget.files)} />
        <button onClick={() => input.current?.click()}>{t("choose_files")}</button>
        {files.length > 0 && <p class="small">{files.join(", ")}</p>}
      </div>
      <details class="fold" open={files.length === 0 && pem !== ""}>
        <summary>{t("paste_instead")}</summary>
        <Field label={t("pem_text")} value={pem} onValue={setPem} rows={8} mono />
      </details>
      <Fault error={error} />
      {seen && (
        <Panel title={t("recognised")} id="seen">
          <ul class="checks">
            <Line ok text={t("seen_leaf", seen.chain[0]?.names[0] ?? seen.chain[0]?.subject ?? "", date(seen.chain[0]?.not_after))} />
            <Line ok={seen.intermediates} text={seen.intermediates ? t("seen_chain", seen.chain.length - 1) : t("seen_no_chain")} />
            <Line ok={seen.key} text={seen.key ? t("seen_key") : t("seen_no_key")} />
            {seen.unrelated > 0 && <Line ok={false} text={t("seen_unrelated", seen.unrelated)} />}
            {new Date(seen.chain[0]?.not_after ?? 0).getTime() < Date.now() && <Line ok={false} text={t("seen_expired")} />}
          </ul>
          <ChainPicture items={seen.chain} />
          {seen.known !== null ? (
            <p class="note warn">
              {t("seen_known")} <A href={`/certs/${seen.known}`}>{t("open_cert")}</A>
            </p>
          ) : (
            <form
              onSubmit={(e) => {
                e.preventDefault();
                void run();
              }}
            >
              <Field label={t("cert_name")} value={name} onValue={setName} placeholder={seen.chain[0]?.names[0] ?? ""} help={t("cert_name_help")} />
              <GroupSelect value={group} set={setGroup} />
              {seen.key && pem.includes("ENCRYPTED") && <Field label={t("key_password")} value={password} onValue={setPassword} type="password" auto="new-password" />}
              <div class="actions end">
                <button type="button" onClick={clear}>
                  {t("start_over")}
                </button>
                <button class="primary" disabled={busy}>
                  {busy ? t("working") : t("import_now")}
                </button>
              </div>
            </form>
          )}
        </Panel>
      )}
    </>
  );
}

function Line({ ok, text }: { ok: boolean; text: string }): JSX.Element {
  return (
    <li class={ok ? "ok" : "missing"}>
      <span aria-hidden="true">{ok ? "✓" : "!"}</span> {text}
    </li>
  );
}
