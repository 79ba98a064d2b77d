// A roll-out that waits for somebody's word: what it would change first, then the word.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, jobEnded, type CertDetail, type Job, type Plan } from "../lib/api";
import { useGet, useJob } from "../lib/hooks";
import { t } from "../lib/i18n";
import { display } from "../lib/idn";
import { Check, Fault, Loading, faultText, toast } from "./basic";
import { Dialog } from "./dialog";
import { PlanView } from "./plan";

export function Approve({ job, close, done }: { job: Job; close: () => void; done?: () => void }): JSX.Element {
  const cert = /^cert\/(\d+)$/.exec(job.subject)?.[1] ?? "0";
  const [planId, setPlan] = useState<number | null>(null);
  const [now, setNow] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [plan] = useJob(planId);
  const windowed = !!useGet<CertDetail>(`/certs/${cert}`).value?.policy?.["window"];
  useEffect(() => {
    call<{ job: Job }>("POST", `/certs/${cert}/deploy`, { plan: true }).then((x) => setPlan(x.job.id), setError);
  }, []);
  const plans = (plan?.progress as { plans?: { target: string; plan: Plan }[] } | null)?.plans;
  const approve = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("POST", `/jobs/${job.id}/approve`, now ? { now } : {});
      toast(t("approved"));
      close();
      done?.();
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("approve_title", display(job.subject_name ?? job.subject))} onClose={close} wide>
      <form onSubmit={(e) => void approve(e)}>
        <p class="lead">{t("approve_lead")}</p>
        {plans ? <PlanView plans={plans} /> : plan?.error && (jobEnded(plan) || plan.state === "blocked") ? <p class="fault">{faultText(plan.error)}</p> : !error && <Loading />}
        {windowed && <Check label={t("approve_now")} on={now} set={setNow} help={t("approve_now_help")} />}
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("close")}
          </button>
          <button class="primary" disabled={busy}>
            {busy ? t("working") : t("approve_do")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
