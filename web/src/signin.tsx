import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, setCsrf, type Session } from "./api";
import { t } from "./i18n";
import { Fault, Field } from "./ui";

export function SignIn({ onSession, notice }: { onSession: (s: Session) => void; notice: string }): JSX.Element {
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const s = await call<Session>("POST", "/session", { login, password });
      setCsrf(s.csrf);
      onSession(s);
    } catch (x) {
      setError(x);
      setPassword("");
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="gate">
      <form class="card" onSubmit={(e) => void submit(e)}>
        <h1>{t("title")}</h1>
        <p class="muted">{t("tagline")}</p>
        {notice && <p role="status">{notice}</p>}
        <Field label={t("login")} type="email" name="login" value={login} autocomplete="username" onValue={setLogin} />
        <Field
          label={t("password")}
          type="password"
          name="password"
          value={password}
          autocomplete="current-password"
          onValue={setPassword}
        />
        <Fault error={error} />
        <button class="primary" disabled={busy}>
          {busy ? t("signingIn") : t("signIn")}
        </button>
      </form>
    </main>
  );
}

export function ChangePassword({ onDone }: { onDone: () => void }): JSX.Element {
  const [old, setOld] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    if (first !== second) {
      setError(t("notSame"));
      return;
    }
    try {
      await call("POST", "/session/password", { old, new: first });
      const s = await call<Session>("GET", "/session");
      setCsrf(s.csrf);
      onDone();
    } catch (x) {
      setError(x);
    }
  };
  return (
    <main class="gate">
      <form class="card" onSubmit={(e) => void submit(e)}>
        <h1>{t("changeTitle")}</h1>
        <p class="muted">{t("changeWhy")}</p>
        <Field label={t("oldPassword")} type="password" name="old" value={old} autocomplete="current-password" onValue={setOld} />
        <Field label={t("newPassword")} type="password" name="new" value={first} autocomplete="new-password" onValue={setFirst} />
        <Field label={t("again")} type="password" name="again" value={second} autocomplete="new-password" onValue={setSecond} />
        <Fault error={error} />
        <button class="primary">{t("save")}</button>
      </form>
    </main>
  );
}
