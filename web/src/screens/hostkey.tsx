// The host key of a machine behind SSH, when it is not the one that is registered: the two side by
// side, what it can mean, and a person who accepts it after comparing. Never accepted by itself.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Binding, type Connector, type ErrorBody, type Job, type Page, type Schemas } from "../lib/api";
import { t } from "../lib/i18n";
import { useGet, useJob } from "../lib/hooks";
import { display } from "../lib/idn";
import { isAdmin } from "../lib/role";
import { Check, Code, Fault, Panel, When, toast } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { JobView } from "../ui/job";

const COMPARE = "cat /etc/ssh/ssh_host_*_key.pub | ssh-keygen -lf -";

interface Seen {
  key: string;
  at: string;
}

/** The fingerprint in an error that refused it. */
function refused(error: ErrorBody | null | undefined, at: string): Seen | null {
  const mine = error?.id === "net.ssh.changed" || error?.id === "net.ssh.unpinned";
  return mine && error.remote ? { key: error.remote, at } : null;
}

/** The newest that is not the registered one, unless a test has worked since. */
function newest(tests: Job[], bindings: Binding[], pins: string): Seen | null {
  const good = Math.max(0, ...tests.filter((j) => j.state === "done").map((j) => Date.parse(j.updated)));
  const seen = [...tests.map((j) => refused(j.error, j.updated)), ...bindings.map((b) => refused(b.error, b.updated))]
    .filter((s): s is Seen => s !== null && Date.parse(s.at) > good)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))[0];
  return seen && !pins.split(" ").includes(seen.key) ? seen : null;
}

/** Nothing while the key is as registered. */
export function HostKey({ kind, c, accepted }: { kind: "target" | "backup"; c: Connector; accepted: (test: Job) => void }): JSX.Element | null {
  const tests = useGet<Page<Job>>(`/jobs?subject=connector/${c.id}&limit=3`, ["job"]);
  const backups = useGet<Page<Job>>(kind === "backup" ? `/jobs?subject=backup/${c.id}&limit=1` : null, ["job"]);
  const bindings = useGet<Page<Binding>>(kind === "target" ? `/bindings?target=${c.id}` : null, ["cert", "deployment", "job"]);
  const [asking, setAsking] = useState(false);
  const [done, setDone] = useState<number[] | null>(null);
  const pins = String(c.settings?.["host_key"] ?? "");
  const bound = bindings.value?.items ?? [];
  const seen = c.settings?.["via"] === "ssh" ? newest([...(tests.value?.items ?? []), ...(backups.value?.items ?? [])], bound, pins) : null;
  if (done)
    return done.length ? (
      <Panel title={t("host_key_work")} id="host-key-work" onClose={() => setDone(null)}>
        {done.map((id) => (
          <Resumed key={id} id={id} />
        ))}
      </Panel>
    ) : null;
  if (!seen) return null;
  const waiting = bound.filter((b) => refused(b.error, b.updated)).map((b) => display(b.cert_name ?? `#${b.cert}`));
  return (
    <Panel title={t(pins ? "host_key_changed" : "host_key_unpinned")} id="host-key">
      <p class="note warn">{t(pins ? "host_key_nothing_sent" : "host_key_first")}</p>
      <Keys pins={pins} seen={seen} c={c} />
      {pins && (
        <>
          <h3>{t("host_key_why")}</h3>
          <ul class="prose">
            <li>{t("host_key_rebuilt")}</li>
            <li>{t("host_key_between")}</li>
          </ul>
        </>
      )}
      <p>{t("host_key_compare")}</p>
      <p>
        <Code text={COMPARE} />
      </p>
      {isAdmin() ? (
        <div class="actions">
          <button class="primary" onClick={() => setAsking(true)}>
            {t(pins ? "host_key_accept" : "host_key_register")}
          </button>
        </div>
      ) : (
        <p class="muted">{t("host_key_admin")}</p>
      )}
      {asking && (
        <Accept
          kind={kind}
          c={c}
          seen={seen}
          waiting={[...new Set(waiting)]}
          close={() => setAsking(false)}
          done={(a) => {
            setAsking(false);
            setDone(a.resumed);
            accepted(a.job);
          }}
        />
      )}
    </Panel>
  );
}

function Keys({ pins, seen, c }: { pins: string; seen: Seen; c: Connector }): JSX.Element {
  return (
    <div class="drift">
      {pins && (
        <section aria-label={t("host_key_old")}>
          <h3>{t("host_key_old")}</h3>
          {pins.split(" ").map((p) => (
            <p key={p}>
              <Code text={p} />
            </p>
          ))}
          <p class="muted small">
            {t("host_key_pinned_since")} <When at={c.updated} time />
          </p>
        </section>
      )}
      <section aria-label={t("host_key_new")}>
        <h3>{t("host_key_new")}</h3>
        <p>
          <Code text={seen.key} />
        </p>
        <p class="muted small">
          {t("host_key_seen")} <When at={seen.at} time />
        </p>
      </section>
    </div>
  );
}

interface AcceptProps {
  kind: "target" | "backup";
  c: Connector;
  seen: Seen;
  waiting: string[];
  close: () => void;
  done: (a: Schemas["HostKeyAccepted"]) => void;
}

/** As shown when the dialog opened: a key that comes later is not the one that was compared. */
function Accept(p: AcceptProps): JSX.Element {
  const [shown] = useState({ key: p.seen.key, revision: p.c.revision });
  const [compared, setCompared] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const body = { fingerprint: shown.key, revision: shown.revision };
      const a = await call<Schemas["HostKeyAccepted"]>("POST", p.kind === "target" ? `/targets/${p.c.id}/host-key` : `/backup-stores/${p.c.id}/host-key`, body);
      toast(t("host_key_accepted"));
      p.done(a);
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("host_key_accept_ask", p.c.name)} onClose={p.close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          void send();
        }}
      >
        <div class="prose">
          <p>
            <Code text={shown.key} />
          </p>
          {p.c.settings?.["host_key"] && <p>{t("host_key_replaces")}</p>}
          <p>{t("host_key_compare")}</p>
          <p>
            <Code text={COMPARE} />
          </p>
          <p>{p.waiting.length ? t("host_key_goes_on", p.waiting.join(", ")) : t("host_key_tests")}</p>
        </div>
        <Check label={t("host_key_compared")} on={compared} set={setCompared} />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={p.close}>
            {t("cancel")}
          </button>
          <button class="danger" disabled={busy || !compared}>
            {busy ? t("working") : t(p.c.settings?.["host_key"] ? "host_key_accept" : "host_key_register").replace("…", "")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Resumed({ id }: { id: number }): JSX.Element | null {
  const [job] = useJob(id);
  return job && (
    <>
      <p>
        <b>{display(job.subject_name ?? job.subject)}</b>
      </p>
      <JobView job={job} />
    </>
  );
}
