// Import by drag and drop: what was recognised, what is missing, and only then the import.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, type Cert, type Schemas } from "../lib/api";
import { date, t, word, type Key } from "../lib/i18n";
import { useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { A, go } from "../lib/router";
import { ChainPicture } from "../pic/pics";
import { Fault, errorText, Field, Head, Panel, Select, toast } from "../ui/basic";
import { GroupSelect } from "../ui/group";
import { TagField, splitTags } from "../ui/tags";

type Seen = Schemas["CertInspected"];

/** Asked for, told to be wrong, or told too often. */
const asksPassword = ["crypto.container.password", "crypto.container.wrong", "api.import_wait"];
const idOf = (x: unknown): string => (x instanceof ApiError ? x.body.id : "");

function base64(bytes: Uint8Array): string {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s);
}

/** Tag of a DER element and where its content begins. */
function element(b: Uint8Array, at: number): { tag: number; inside: number } {
  const length = b[at + 1] ?? 0;
  return { tag: b[at] ?? 0, inside: at + 2 + (length > 0x80 ? length & 0x7f : 0) };
}

/** What PEM calls a DER file of this shape; null: a key store, which stays as it is. */
function pemLabel(b: Uint8Array): string | null {
  const outer = element(b, 0);
  const first = element(b, outer.inside);
  if (outer.tag !== 0x30) return null;
  if (first.tag === 0x06) return "PKCS7";
  if (first.tag === 0x30) return element(b, first.inside).tag === 0x06 ? "ENCRYPTED PRIVATE KEY" : "CERTIFICATE";
  if (first.tag !== 0x02) return null;
  const version = b[first.inside];
  if (version === 1) return "EC PRIVATE KEY";
  if (version !== 0) return null;
  return element(b, first.inside + 1).tag === 0x30 ? "PRIVATE KEY" : "RSA PRIVATE KEY";
}

/** Text stays text, DER becomes PEM, so that several files go together; a key store is sent as it is. */
async function readFile(f: File): Promise<{ pem: string } | { data: string }> {
  const bytes = new Uint8Array(await f.arrayBuffer());
  const text = bytes.length > 0 && bytes.subarray(0, 64).every((b) => b >= 0x80 || b >= 0x20 || (b >= 9 && b <= 13));
  if (text) return { pem: new TextDecoder().decode(bytes) };
  const label = pemLabel(bytes);
  if (!label) return { data: base64(bytes) };
  const lines = base64(bytes).replace(/(.{64})/g, "$1\n").trimEnd();
  return { pem: `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n` };
}

interface Part {
  name: string;
  pem: string;
  data: string;
}

const WRONG_KEY = "crypto.key.password_wrong";
const keyTexts: Record<Seen["key_state"], Key> = { none: "seen_no_key", fits: "seen_key", other: "seen_key_other", locked: "seen_key_locked", unread: "seen_key_unread", unknown: "seen_key_unknown" };
/** The import would be refused. */
const stuck: Seen["key_state"][] = ["other", "locked", "unread"];

/** Whose certificate is missing above the leaf. */
function issuerOf(s: Seen): string {
  const issuer = s.chain[0]?.issuer ?? "";
  return /CN=([^,]+)/.exec(issuer)?.[1] ?? issuer;
}

export function ImportScreen(): JSX.Element {
  useTitle(t("import_cert"));
  const [pasted, setPasted] = useState("");
  const [parts, setParts] = useState<Part[]>([]);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [sent, setSent] = useState(""); // the password the file is being opened with
  const [tries, setTries] = useState(0);
  const [pick, setPick] = useState("");
  const [group, setGroup] = useState("");
  const [tags, setTags] = useState("");
  const [seen, setSeen] = useState<Seen | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const asked = useRef(0);
  const pem = [...parts.map((p) => p.pem), pasted].filter((x) => x.trim()).join("\n");
  const data = parts.find((p) => p.data)?.data ?? "";
  const file = data ? { data } : { pem };
  const options = { ...(sent ? { password: sent } : {}), ...(pick ? { pick } : {}) };
  useEffect(() => {
    const mine = ++asked.current;
    setError(null);
    if (!pem && !data) return setSeen(null);
    const timer = setTimeout(() => {
      call<Seen>("POST", "/certs/inspect", { ...file, ...options }).then(
        (x) => mine === asked.current && setSeen(x),
        (x: unknown) => {
          if (mine !== asked.current) return;
          if (idOf(x) !== WRONG_KEY) setSeen(null); // what was seen of the rest still holds
          setError(x);
        },
      );
    }, 300);
    return () => clearTimeout(timer);
  }, [pem, data, sent, tries, pick]);
  const take = async (list: FileList | null | undefined): Promise<void> => {
    if (!list || list.length === 0) return;
    const all = [...list];
    if (all.reduce((n, f) => n + f.size, 0) > 1_000_000) {
      setError(new Error(t("import_too_big")));
      return;
    }
    const read = await Promise.all(all.map(async (f): Promise<Part> => ({ name: f.name, pem: "", data: "", ...(await readFile(f)) })));
    const fresh = read.filter((x) => !parts.some((p) => p.pem === x.pem && p.data === x.data)); // dropped twice is there once
    const together = [...parts, ...fresh];
    if (together.some((p) => p.data) && (together.length > 1 || pasted.trim())) {
      setError(new Error(t("import_store_alone")));
      return;
    }
    setParts(together);
  };
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const a = await call<{ cert: Cert }>("POST", "/certs/import", { ...file, ...options, ...(password ? { password } : {}), ...(name.trim() ? { name: name.trim() } : {}), ...(group ? { group } : {}), ...(tags ? { tags: splitTags(tags) } : {}) });
      toast(t("imported"));
      go(`/certs/${a.cert.id}`);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  const clear = (): void => {
    setPasted("");
    setParts([]);
    setPassword("");
    setSent("");
    setPick("");
    setError(null);
  };
  const needsPassword = asksPassword.includes(idOf(error));
  const keyWrong = idOf(error) === WRONG_KEY && seen !== null;
  const onlyKey = idOf(error) === "crypto.pem.none" && pem.includes("PRIVATE KEY-----");
  const unlock = (): void => {
    setSent(password);
    setTries(tries + 1);
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
        {parts.length > 0 && (
          <ul class="tags">
            {parts.map((p) => (
              <li key={p.name + p.pem.length} class="tag">
                {p.name}{" "}
                <button class="quiet small" aria-label={t("import_take_out", p.name)} onClick={() => setParts(parts.filter((x) => x !== p))}>
                  ✕
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
      <details class="fold" open={parts.length === 0 && pasted !== ""}>
        <summary>{t("paste_instead")}</summary>
        <Field label={t("pem_text")} value={pasted} onValue={setPasted} rows={8} mono />
      </details>
      {needsPassword && !seen ? (
        <form
          class="stack"
          onSubmit={(e) => {
            e.preventDefault();
            unlock();
          }}
        >
          <Field label={t("file_password")} value={password} onValue={setPassword} type="password" auto="new-password" focus help={t("file_password_help")} fault={sent && password === sent ? errorText(error) : null} />
          <div class="actions">
            <button type="button" onClick={clear}>
              {t("start_over")}
            </button>
            <button class="primary" disabled={!password}>
              {t("open_file")}
            </button>
          </div>
        </form>
      ) : onlyKey ? (
        <p class="note warn" role="status">
          {t("seen_only_key")}
        </p>
      ) : (
        !keyWrong && <Fault error={error} />
      )}
      {!needsPassword && !seen && error !== null && (
        <div class="actions">
          <button onClick={clear}>{t("start_over")}</button>
        </div>
      )}
      {seen && (
        <Panel title={t("recognised")} id="seen">
          <ul class="checks">
            <Line ok text={t("seen_leaf", display(seen.chain[0]?.names[0] ?? seen.chain[0]?.subject ?? ""), date(seen.chain[0]?.not_after))} />
            <Line ok={seen.intermediates} text={seen.intermediates ? (seen.chain.length > 1 ? t("seen_chain", seen.chain.length - 1) : t("seen_self")) : t("seen_no_chain", issuerOf(seen))} />
            <Line ok={seen.key_state === "fits"} text={t(keyTexts[seen.key_state])} />
            <Line ok={!seen.weak_container} text={seen.weak_container ? t("seen_weak", seen.format) : t("seen_format", seen.format)} />
            {seen.unusual.map((x) => (
              <Line key={x} ok={false} text={word("unusual." + x)} />
            ))}
            {seen.unrelated > 0 && <Line ok={seen.intermediates} text={t("seen_unrelated", seen.unrelated)} />}
            {new Date(seen.chain[0]?.not_after ?? 0).getTime() < Date.now() && <Line ok={false} text={t("seen_expired")} />}
          </ul>
          {seen.servers.length > 1 && (
            <Select label={t("seen_pick")} value={pick || (seen.servers[0] ?? "")} of={seen.servers.map((x) => [x, display(x)])} onValue={setPick} help={t("seen_pick_help")} />
          )}
          <ChainPicture items={seen.chain} />
          {seen.known !== null ? (
            <p class="note warn">
              {t("seen_known")} <A href={`/certs/${seen.known}`}>{t("open_cert")}</A>{" "}
              <button class="quiet" onClick={clear}>
                {t("start_over")}
              </button>
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
              <TagField label={t("tags")} value={tags} set={setTags} />
              {(seen.key_state === "locked" || (seen.key_state === "fits" && sent && !data)) && (
                <>
                  <Field
                    label={t("key_password")}
                    value={password}
                    onValue={setPassword}
                    type="password"
                    auto="new-password"
                    help={t("file_password_help")}
                    fault={keyWrong && password === sent ? errorText(error) : null}
                  />
                  {seen.key_state === "locked" && (
                    <button type="button" disabled={!password} onClick={unlock}>
                      {t("key_check")}
                    </button>
                  )}
                </>
              )}
              <div class="actions end">
                <button type="button" onClick={clear}>
                  {t("start_over")}
                </button>
                <button class="primary" disabled={busy || stuck.includes(seen.key_state)}>
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
