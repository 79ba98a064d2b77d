// はじめに: from an empty installation to a certificate that is served; each step says whether it is done.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Deployment, Page, Summary } from "../lib/api";
import { t, type Key } from "../lib/i18n";
import { useGet, useKept, useTitle } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, Head, Loading } from "../ui/basic";

interface Step {
  title: Key;
  text: Key;
  done: boolean;
  href: string;
  action: Key;
}

/** The steps and the first that is open; none while they are not known. */
function useSteps(on: boolean): { steps: Step[]; next: number; error: unknown } {
  const s = useGet<Summary>(on ? "/summary" : null, ["cert", "ca", "target", "notifier", "endpoint", "job"]);
  const d = useGet<Page<Deployment>>(on ? "/deployments?limit=20" : null, ["deployment", "job"]);
  const v = s.value;
  if (!v || !d.value) return { steps: [], next: -1, error: s.error ?? d.error };
  const certs = Object.values(v.health).reduce((a, b) => a + b, 0);
  const issued = certs - (v.health["new"] ?? 0) - (v.health["ordering"] ?? 0) - (v.health["failed"] ?? 0);
  const steps: Step[] = [
    { title: "guide_ca", text: "guide_ca_text", done: (v.connectors["ca"] ?? 0) > 0, href: "/cas/new", action: "ca_add" },
    { title: "guide_notify", text: "guide_notify_text", done: (v.connectors["notifier"] ?? 0) > 0, href: "/notify/new", action: "notifier_add" },
    { title: "guide_target", text: "guide_target_text", done: (v.connectors["target"] ?? 0) > 0, href: "/targets/new", action: "target_add" },
    { title: "guide_cert", text: "guide_cert_text", done: issued > 0, href: "/certs/new", action: "request_cert" },
    { title: "guide_deploy", text: "guide_deploy_text", done: d.value.items.some((x) => x.state === "done"), href: "/certs", action: "certificates" },
    { title: "guide_watch", text: "guide_watch_text", done: Object.keys(v.endpoints).length > 0, href: "/watch?add=1", action: "watch_add" },
  ];
  return { steps, next: steps.findIndex((x) => !x.done), error: null };
}

/** Whoever follows the guide finds the way back to it on every screen, until all is done. */
export function GuideBar({ here }: { here: boolean }): JSX.Element | null {
  const [following, follow] = useKept("guide", false);
  const { steps, next } = useSteps(following && !here);
  const step = steps[next];
  if (!following || here || !step) return null;
  return (
    <div class="note guide-bar" role="status">
      <span>
        {t("guide_next", next + 1, steps.length)} <b>{t(step.title)}</b>
      </span>{" "}
      <A href="/guide" class="button small">
        {t("guide_go_on")}
      </A>{" "}
      <button class="quiet small" onClick={() => follow(false)}>
        {t("guide_leave")}
      </button>
    </div>
  );
}

export function GuideScreen(): JSX.Element {
  useTitle(t("guide"));
  const [following, follow] = useKept("guide", false);
  const { steps, next, error } = useSteps(true);
  const open = steps.length > 0 && next >= 0;
  useEffect(() => {
    if (steps.length && open !== following) follow(open);
  }, [open, steps.length]);
  if (!steps.length) return error ? <Fault error={error} /> : <Loading />;
  return (
    <>
      <Head title={t("guide")} lead={next < 0 ? t("guide_all_done") : t("guide_lead")} />
      <ol class="guide">
        {steps.map((x, i) => (
          <li key={x.title} class={x.done ? "done" : i === next ? "now" : ""}>
            <span class="step-mark" aria-hidden="true">
              {x.done ? "✓" : i + 1}
            </span>
            <div>
              <h2>
                {t(x.title)} <span class="sr">{x.done ? t("step_is_done") : t("step_is_open")}</span>
              </h2>
              <p>{t(x.text)}</p>
              <A href={x.href} class={i === next ? "button primary" : "button"}>
                {t(x.action)}
              </A>
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}
