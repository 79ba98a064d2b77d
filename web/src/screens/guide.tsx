// はじめに: from an empty installation to a certificate that is served; each step says whether it is done.
import type { JSX } from "preact";
import type { Deployment, Page, Summary } from "../lib/api";
import { t, type Key } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { A } from "../lib/router";
import { Fault, Head, Loading } from "../ui/basic";

interface Step {
  title: Key;
  text: Key;
  done: boolean;
  href: string;
  action: Key;
}

export function GuideScreen(): JSX.Element {
  useTitle(t("guide"));
  const s = useGet<Summary>("/summary", ["cert", "ca", "target", "notifier", "endpoint", "job"]);
  const d = useGet<Page<Deployment>>("/deployments?limit=20", ["deployment", "job"]);
  if (!s.value) return s.error ? <Fault error={s.error} /> : <Loading />;
  const v = s.value;
  const certs = Object.values(v.health).reduce((a, b) => a + b, 0);
  const issued = certs - (v.health["new"] ?? 0) - (v.health["ordering"] ?? 0) - (v.health["failed"] ?? 0);
  const steps: Step[] = [
    { title: "guide_ca", text: "guide_ca_text", done: (v.connectors["ca"] ?? 0) > 0, href: "/cas/new", action: "ca_add" },
    { title: "guide_notify", text: "guide_notify_text", done: (v.connectors["notifier"] ?? 0) > 0, href: "/notify/new", action: "notifier_add" },
    { title: "guide_target", text: "guide_target_text", done: (v.connectors["target"] ?? 0) > 0, href: "/targets/new", action: "target_add" },
    { title: "guide_cert", text: "guide_cert_text", done: issued > 0, href: "/certs/new", action: "request_cert" },
    { title: "guide_deploy", text: "guide_deploy_text", done: (d.value?.items ?? []).some((x) => x.state === "done"), href: "/certs", action: "certificates" },
    { title: "guide_watch", text: "guide_watch_text", done: Object.keys(v.endpoints).length > 0, href: "/watch?add=1", action: "watch_add" },
  ];
  const next = steps.findIndex((x) => !x.done);
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
