// A plan as a difference: for every target what is there now and what would be there after.
import type { JSX } from "preact";
import type { Plan } from "../lib/api";
import { pair, t } from "../lib/i18n";

export function PlanView({ plans, small = false }: { plans: { target: string; plan: Plan }[]; small?: boolean }): JSX.Element {
  return (
    <div class={small ? "plan small" : "plan"}>
      {plans.map((p) => (
        <section key={p.target} aria-label={p.target}>
          <h3>
            {p.target} {p.plan.unchanged && <span class="muted">– {t("plan_nothing")}</span>}
          </h3>
          {!p.plan.unchanged && <PlanLines plan={p.plan} />}
        </section>
      ))}
    </div>
  );
}

export function PlanLines({ plan }: { plan: Plan }): JSX.Element {
  return (
    <>
      <ul class="diff">
        {plan.lines.map((l, i) => (
          <li key={i}>
            <p class="diff-what">
              {pair(l.what)} {l.object && <code>{l.object}</code>}
            </p>
            {l.before && (
              <p class="diff-before">
                <span class="sr">{t("plan_before")}</span>
                <span aria-hidden="true">−</span> {l.before}
              </p>
            )}
            {l.after && (
              <p class="diff-after">
                <span class="sr">{t("plan_after")}</span>
                <span aria-hidden="true">+</span> {l.after}
              </p>
            )}
          </li>
        ))}
      </ul>
      {plan.verified_by_handshake !== undefined && <p class="small muted">{plan.verified_by_handshake ? t("plan_verified") : t("plan_unverified")}</p>}
    </>
  );
}
