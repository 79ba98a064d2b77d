// One's own account: password, second factor, where one is signed in, and how the screen looks.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, type Page, type Session, type Schemas } from "../lib/api";
import { getLang, getZone, setLang, setZone, t, word, type Lang } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { getTheme, setTheme, type Theme } from "../lib/theme";
import { QrCode } from "../pic/pics";
import { Code, Facts, Fault, Field, Head, Loading, Panel, Select, When, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { ChangePassword } from "./signin";

type Where = Schemas["SessionItem"];

export function ProfileScreen({ session, onSession, redraw }: { session: Session; onSession: (s: Session) => void; redraw: () => void }): JSX.Element {
  useTitle(t("profile"));
  const [changing, setChanging] = useState(false);
  const refresh = (): void => void get<Session>("/session").then(onSession, () => undefined);
  return (
    <>
      <Head title={t("profile")} />
      <Panel title={session.user.name} id="me" side={<button onClick={() => setChanging(true)}>{t("change_password")}</button>}>
        <Facts
          rows={[
            [t("login"), session.user.login],
            [t("role"), word("role." + session.user.role)],
            [t("groups"), (session.user.groups ?? []).map((g) => g.name).join(", ")],
          ]}
        />
      </Panel>
      <Looks redraw={redraw} />
      <Totp session={session} refresh={refresh} />
      <Sessions login={session.user.login} />
      {changing && (
        <Dialog title={t("change_password")} onClose={() => setChanging(false)}>
          <p class="lead">{t("change_password_text")}</p>
          <ChangePassword
            onDone={(s) => {
              toast(t("password_changed"));
              setChanging(false);
              onSession(s);
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function Looks({ redraw }: { redraw: () => void }): JSX.Element {
  const zones = ["Asia/Tokyo", "UTC", Intl.DateTimeFormat().resolvedOptions().timeZone, "Europe/London", "America/New_York", "America/Los_Angeles", "Asia/Singapore"];
  const own = localStorage.getItem("inro-zone") ?? "";
  return (
    <Panel title={t("looks")} id="looks">
      <div class="form-row">
        <Select
          label={t("language")}
          value={getLang()}
          of={[
            ["ja", "日本語"],
            ["en", "English"],
          ]}
          onValue={(v) => {
            setLang(v as Lang);
            redraw();
          }}
        />
        <Select
          label={t("time_zone")}
          value={own}
          of={[["", `${t("zone_default")} (${own ? (getLang() === "ja" ? "Asia/Tokyo" : Intl.DateTimeFormat().resolvedOptions().timeZone) : getZone()})`], ...[...new Set(zones)].filter(Boolean).map((z): [string, string] => [z, z])]}
          onValue={(v) => {
            setZone(v);
            redraw();
          }}
        />
        <Select
          label={t("theme")}
          value={getTheme()}
          of={[
            ["auto", t("theme_auto")],
            ["light", t("theme_light")],
            ["dark", t("theme_dark")],
          ]}
          onValue={(v) => {
            setTheme(v as Theme);
            redraw();
          }}
        />
      </div>
    </Panel>
  );
}

type Begun = Schemas["TotpBegin"];

function Totp({ session, refresh }: { session: Session; refresh: () => void }): JSX.Element | null {
  const [begun, setBegun] = useState<Begun | null>(null);
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  if (session.user.totp === undefined) return null;
  const run = async (fn: () => Promise<void>): Promise<void> => {
    setError(null);
    try {
      await fn();
    } catch (x) {
      setError(x);
    }
  };
  const confirm = (e: Event): void => {
    e.preventDefault();
    void run(async () => {
      const a = await call<{ recovery_codes: string[] }>("POST", "/session/totp/confirm", { code: code.replace(/\s/g, "") });
      setBegun(null);
      setCode("");
      setCodes(a.recovery_codes);
      refresh();
    });
  };
  return (
    <Panel title={t("totp")} id="totp">
      <p class="lead">{session.user.totp ? t("totp_on_text") : t("totp_text")}</p>
      <Fault error={begun ? null : error} />
      <div class="actions">
        {session.user.totp ? (
          <>
            <button onClick={() => void run(async () => setCodes((await call<{ recovery_codes: string[] }>("POST", "/session/totp/codes")).recovery_codes))}>{t("totp_new_codes")}</button>
            <button
              onClick={() =>
                ask({
                  title: t("totp_off_ask", session.user.login),
                  body: <p>{t("totp_off_what")}</p>,
                  action: t("totp_off"),
                  danger: true,
                  run: async () => {
                    await call("DELETE", "/session/totp");
                    refresh();
                  },
                })
              }
            >
              {t("totp_off")}
            </button>
          </>
        ) : (
          <button onClick={() => void run(async () => setBegun(await call<Begun>("POST", "/session/totp")))}>{t("totp_begin")}</button>
        )}
      </div>
      {begun && (
        <Dialog title={t("totp")} onClose={() => setBegun(null)}>
          <ol class="will">
            <li>
              {t("totp_step1")}
              <QrCode text={begun.uri} label={t("totp_qr")} />
              <p class="secret">
                <Code text={begun.secret} />
              </p>
              <p class="small">
                <a href={begun.uri}>{t("totp_open_app")}</a>
              </p>
            </li>
            <li>{t("totp_step2")}</li>
          </ol>
          <form onSubmit={confirm}>
            <Field label={t("totp_code")} value={code} onValue={setCode} auto="one-time-code" required focus />
            <Fault error={error} />
            <div class="actions end">
              <button type="button" onClick={() => setBegun(null)}>
                {t("cancel")}
              </button>
              <button class="primary">{t("totp_confirm")}</button>
            </div>
          </form>
        </Dialog>
      )}
      {codes && (
        <Dialog title={t("totp_codes")} onClose={() => setCodes(null)}>
          <p class="note warn">{t("totp_codes_text")}</p>
          <pre class="secret">{codes.join("\n")}</pre>
          <div class="actions end">
            <button onClick={() => void navigator.clipboard?.writeText(codes.join("\n")).then(() => toast(t("copied")))}>{t("copy")}</button>
            <button class="primary" onClick={() => setCodes(null)}>
              {t("token_kept")}
            </button>
          </div>
        </Dialog>
      )}
    </Panel>
  );
}

function browser(agent: string | null): string {
  const m = /(Firefox|Edg|Chrome|Safari)\/(\d+)/.exec(agent ?? "");
  const os = /(Windows|Mac OS X|Android|iPhone|iPad|Linux)/.exec(agent ?? "");
  return m ? `${(m[1] ?? "").replace("Edg", "Edge")} ${m[2] ?? ""}${os ? ` (${os[1] ?? ""})` : ""}` : (agent ?? "–");
}

function Sessions({ login }: { login: string }): JSX.Element | null {
  const list = useGet<Page<Where>>("/sessions", []);
  if (list.error instanceof ApiError && list.error.status === 404) return null;
  if (!list.value) return list.error ? <Fault error={list.error} /> : <Loading />;
  const mine = list.value.items.filter((s) => s.user === login);
  return (
    <Panel
      title={t("sessions")}
      id="sessions"
      side={
        mine.length > 1 && (
          <button
            onClick={() =>
              ask({
                title: t("sessions_end_others"),
                body: <p>{t("sessions_end_what", mine.length - 1)}</p>,
                action: t("sessions_end_others"),
                run: async () => {
                  await call("DELETE", "/sessions");
                  await list.reload();
                },
              })
            }
          >
            {t("sessions_end_others")}
          </button>
        )
      }
    >
      <ul class="lines">
        {mine.map((s) => (
          <li key={s.id} class="spread">
            <span>
              {browser(s.agent)} · {s.address} {s.current && <b>{t("this_session")}</b>} <span class="muted small">{t("last_seen")} </span>
              <When at={s.last_seen ?? s.created} />
            </span>
            {!s.current && (
              <button class="quiet danger-text" onClick={() => void call("DELETE", `/sessions/${s.id}`).then(() => list.reload())}>
                {t("session_end")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
