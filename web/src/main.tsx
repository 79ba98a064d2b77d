import { render, type JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, call, onSessionEnd, setCsrf, type Job, type Page, type Session } from "./api";
import { CertList, Running } from "./certs";
import { Detail } from "./detail";
import { getLang, setLang, t } from "./i18n";
import { listen } from "./live";
import { ChangePassword, SignIn } from "./signin";
import "./style.css";

function theme(): "light" | "dark" {
  const kept = localStorage.getItem("inro-theme");
  if (kept === "light" || kept === "dark") return kept;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function Header({ session, onChange, onOut }: { session: Session | null; onChange: () => void; onOut: () => void }): JSX.Element {
  const other = getLang() === "ja" ? "en" : "ja";
  return (
    <header class="top">
      <span class="brand">
        <span class="seal" aria-hidden="true">
          印
        </span>
        Inro
      </span>
      <span class="grow" />
      {session && <span class="muted who">{session.user.login}</span>}
      <button
        lang={other}
        onClick={() => {
          setLang(other);
          onChange();
        }}
      >
        {t("language")}
      </button>
      <button
        onClick={() => {
          const next = theme() === "dark" ? "light" : "dark";
          localStorage.setItem("inro-theme", next);
          document.documentElement.dataset["theme"] = next;
        }}
      >
        {t("theme")}
      </button>
      {session && <button onClick={onOut}>{t("signOut")}</button>}
    </header>
  );
}

const readRoute = (): number | null => {
  const m = /^#\/certs\/(\d+)$/.exec(location.hash);
  return m ? Number(m[1]) : null;
};

function Home({ tick, jobs }: { tick: number; jobs: Job[] }): JSX.Element {
  const [open, setOpen] = useState<number | null>(readRoute());
  useEffect(() => {
    const moved = (): void => setOpen(readRoute());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  if (open !== null) return <Detail id={open} tick={tick} onBack={() => void (location.hash = "")} />;
  return (
    <main>
      <Running jobs={jobs} />
      <CertList tick={tick} onOpen={(id) => void (location.hash = `#/certs/${id}`)} />
    </main>
  );
}

/** Everything that changes comes by events; each event only says that lists are to be read again. */
function Signed(): JSX.Element {
  const [tick, setTick] = useState(0);
  const [jobs, setJobs] = useState<Job[]>([]);
  const [up, setUp] = useState(true);
  const readJobs = useCallback(async (): Promise<void> => {
    try {
      const page = await call<Page<Job>>("GET", "/jobs?open=1&limit=50");
      setJobs(page.items.filter((j) => j.kind !== "schedule"));
    } catch {
      /* the link state already says so */
    }
  }, []);
  useEffect(() => {
    let waiting = 0;
    const soon = (): void => {
      if (waiting) return;
      waiting = window.setTimeout(() => {
        waiting = 0;
        void readJobs();
        setTick((n) => n + 1);
      }, 250);
    };
    soon();
    const stop = listen(soon, (link) => {
      setUp(link);
      if (link) soon();
    });
    const slow = window.setInterval(soon, 30000);
    return () => {
      stop();
      clearInterval(slow);
      clearTimeout(waiting);
    };
  }, [readJobs]);
  return (
    <>
      {!up && (
        <p class="fault" role="status">
          {t("reconnecting")}
        </p>
      )}
      <Home tick={tick} jobs={jobs} />
    </>
  );
}

function App(): JSX.Element {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [notice, setNotice] = useState("");
  const [, redraw] = useState(0);
  useEffect(() => {
    onSessionEnd(() => {
      setNotice(t("expired"));
      setSession(null);
    });
    call<Session>("GET", "/session").then(
      (s) => {
        setCsrf(s.csrf);
        setSession(s);
      },
      (x: unknown) => {
        if (!(x instanceof ApiError && x.status === 401)) setNotice(x instanceof Error ? x.message : String(x));
        setSession(null);
      },
    );
  }, []);
  const out = async (): Promise<void> => {
    await call("DELETE", "/session").catch(() => undefined);
    setNotice("");
    setSession(null);
  };
  return (
    <>
      <Header session={session ?? null} onChange={() => redraw((n) => n + 1)} onOut={() => void out()} />
      {session === null && (
        <SignIn
          notice={notice}
          onSession={(s) => {
            setNotice("");
            setSession(s);
          }}
        />
      )}
      {session?.must_change && <ChangePassword onDone={() => setSession({ ...session, must_change: false })} />}
      {session && !session.must_change && <Signed />}
    </>
  );
}

setLang(getLang());
document.documentElement.dataset["theme"] = theme();
render(<App />, document.getElementById("app")!);
