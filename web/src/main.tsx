// Entry: who is signed in decides what is drawn.
import { render, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, get, onReachable, onSessionEnd, sessionEra, setCsrf, setProver, type Session } from "./lib/api";
import { getLang, setLang, t } from "./lib/i18n";
import { connect, disconnect, onLink } from "./lib/live";
import { Shell } from "./screens/shell";
import { Gate, Prove, SignInAgain } from "./screens/signin";
import { Asker } from "./ui/dialog";
import { Fault, Loading, Toasts } from "./ui/basic";
import { applyTheme } from "./lib/theme";
import "./style/base.css";
import "./style/parts.css";
import "./style/screens.css";

function App(): JSX.Element {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [ended, setEnded] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [lost, setLost] = useState(false);
  const [prove, setProve] = useState<((ok: boolean) => void) | null>(null);
  const [, redraw] = useState(0);

  const start = (): void => {
    setError(null);
    get<Session>("/session").then(enter, (x: unknown) => {
      if (x instanceof ApiError && x.status === 401) setSession(null);
      else setError(x);
    });
  };
  const enter = (s: Session): void => {
    setCsrf(s.csrf ?? "");
    setSession(s);
    setEnded(false);
    if (!s.must_change) connect();
  };
  useEffect(() => {
    onSessionEnd(() => {
      disconnect();
      setEnded(true);
    });
    setProver(() => new Promise<boolean>((done) => setProve(() => done)));
    // One missed answer is no lost server: the banner waits a moment.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const reach = (up: boolean): void => {
      clearTimeout(timer);
      if (up) setLost(false);
      else timer = setTimeout(() => setLost(true), 1500);
    };
    onReachable(reach);
    onLink((up) => {
      reach(up);
      const begun = sessionEra();
      if (!up)
        get<Session>("/session").then(
          () => undefined,
          (x: unknown) => {
            if (x instanceof ApiError && x.status === 401 && begun === sessionEra()) {
              disconnect();
              setEnded(true);
            }
          },
        );
    });
    start();
  }, []);

  const out = (): void => {
    void call("DELETE", "/session").catch(() => undefined);
    disconnect();
    sessionStorage.clear();
    setEnded(false);
    setSession(null);
  };
  const all = (
    <>
      <Toasts />
      <Asker />
      {prove && (
        <Prove
          done={(ok) => {
            prove(ok);
            setProve(null);
          }}
        />
      )}
    </>
  );
  if (error)
    return (
      <main class="gate">
        <Fault error={error} retry={start} />
      </main>
    );
  if (session === undefined)
    return (
      <main class="gate">
        <Loading />
      </main>
    );
  if (session === null || (session.must_change && !ended)) return <Gate session={session} onSession={enter} redraw={() => redraw((n) => n + 1)} />;
  return (
    <>
      {lost && (
        <p class="banner" role="alert">
          <span class="spin" aria-hidden="true" /> {t("server_lost")}
        </p>
      )}
      <Shell session={session} onOut={out} onSession={enter} redraw={() => redraw((n) => n + 1)} />
      {ended && (
        <SignInAgain
          login={session.user.login}
          onSession={enter}
          onLeave={() => {
            setEnded(false);
            setSession(null);
          }}
        />
      )}
      {all}
    </>
  );
}

applyTheme();
setLang(getLang());
render(<App />, document.getElementById("app") as HTMLElement);
