// Signing in, the forced change of the first password, and signing in again without losing the page.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, setCsrf, type Session } from "../lib/api";
import { getLang, setLang, t } from "../lib/i18n";
import { Fault, Field } from "../ui/basic";
import { Dialog } from "../ui/dialog";

function Form({ onSession, login: fixed, again }: { onSession: (s: Session) => void; login?: string; again?: boolean }): JSX.Element {
  const [login, setLogin] = useState(fixed ?? "");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [wantsCode, setWantsCode] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const s = await call<Session>("POST", "/session", { login: login.trim(), password, ...(code ? { code: code.replace(/\s/g, "") } : {}) });
      setCsrf(s.csrf ?? "");
      onSession(s);
    } catch (x) {
      const id = (x as { body?: { id?: string } }).body?.id ?? "";
      if (id === "api.code_needed") setWantsCode(true);
      else {
        setError(x);
        setPassword("");
      }
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(e) => void submit(e)} class="stack">
      <Field label={t("login")} value={login} onValue={setLogin} name="login" auto="username" focus={!again} required disabled={again} />
      <Field label={t("password")} value={password} onValue={setPassword} type="password" name="password" auto="current-password" focus={again} required />
      {wantsCode && <Field label={t("totp_code")} value={code} onValue={setCode} name="totp" auto="one-time-code" help={t("totp_code_help")} focus required />}
      <Fault error={error} />
      <button class="primary wide-button" disabled={busy}>
        {busy ? t("signing_in") : t("sign_in")}
      </button>
    </form>
  );
}

export function Gate(p: { session: Session | null; onSession: (s: Session) => void; redraw: () => void }): JSX.Element {
  const other = getLang() === "ja" ? "en" : "ja";
  return (
    <div class="gate">
      <main class="gate-card">
        <p class="gate-brand">
          <Seal /> Inro
        </p>
        {p.session ? (
          <>
            <h1>{t("change_title")}</h1>
            <p class="lead">{t("change_why")}</p>
            <ChangePassword onDone={p.onSession} />
          </>
        ) : (
          <>
            <h1>{t("sign_in")}</h1>
            <p class="lead">{t("tagline")}</p>
            <Form onSession={p.onSession} />
          </>
        )}
      </main>
      <p class="gate-foot">
        <button
          class="quiet"
          lang={other}
          onClick={() => {
            setLang(other);
            p.redraw();
          }}
        >
          {other === "ja" ? "日本語" : "English"}
        </button>
      </p>
    </div>
  );
}

/** The mark of the house: an inro under its cord. */
export function Seal(): JSX.Element {
  return (
    <svg class="seal" viewBox="0 0 32 32" aria-hidden="true">
      <rect x="7" y="7" width="18" height="21" rx="6" class="seal-body" />
      <path d="M7 14h18M7 21h18" class="seal-gold" />
      <circle cx="16" cy="4" r="2.3" class="seal-bead" />
    </svg>
  );
}

export function ChangePassword({ onDone }: { onDone: (s: Session) => void }): JSX.Element {
  const [old, setOld] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const differ = second !== "" && first !== second;
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (first !== second) return;
    setBusy(true);
    setError(null);
    try {
      await call("POST", "/session/password", { old, new: first });
      const s = await get<Session>("/session");
      setCsrf(s.csrf ?? "");
      onDone(s);
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="stack" onSubmit={(e) => void submit(e)}>
      <Field label={t("old_password")} value={old} onValue={setOld} type="password" name="old" auto="current-password" required />
      <Field label={t("new_password")} value={first} onValue={setFirst} type="password" name="new" auto="new-password" help={t("password_help")} required />
      <Field label={t("new_password_again")} value={second} onValue={setSecond} type="password" name="again" auto="new-password" fault={differ ? t("not_same") : null} required />
      <Fault error={error} />
      <div class="actions">
        <button class="primary" disabled={busy || differ}>
          {t("change_password")}
        </button>
      </div>
    </form>
  );
}

/** The session ended while somebody worked: sign in here, and the page behind is as it was. */
export function SignInAgain({ login, onSession, onLeave }: { login: string; onSession: (s: Session) => void; onLeave: () => void }): JSX.Element {
  return (
    <Dialog title={t("session_ended")} onClose={onLeave} locked>
      <p class="lead">{t("session_ended_text")}</p>
      <Form onSession={onSession} login={login} again />
      <p>
        <button class="quiet" onClick={onLeave}>
          {t("other_user")}
        </button>
      </p>
    </Dialog>
  );
}

/** Step-up: the password (or a code of the device) once more before something weighty. */
export function Prove({ done }: { done: (ok: boolean) => void }): JSX.Element {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setError(null);
    try {
      await call("POST", "/session/prove", code ? { code: code.replace(/\s/g, "") } : { password });
      done(true);
    } catch (x) {
      setError(x);
    }
  };
  return (
    <Dialog title={t("prove_title")} onClose={() => done(false)}>
      <p class="lead">{t("prove_text")}</p>
      <form class="stack" onSubmit={(e) => void submit(e)}>
        <Field label={t("password")} value={password} onValue={setPassword} type="password" auto="current-password" focus />
        <Field label={t("prove_code")} value={code} onValue={setCode} auto="one-time-code" />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={() => done(false)}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={!password && !code}>
            {t("go_on")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
