// What notification settings would have sent last month: those that are kept, or those being typed.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Group, type Schemas } from "../lib/api";
import { date, dateTime, number, t, word } from "../lib/i18n";
import { A } from "../lib/router";
import { Fault } from "../ui/basic";
import { Subject } from "../ui/job";

type NotifyPreview = Schemas["NotifyPreview"];

/** `rule`: what stands in the form; without it, what the group has. */
export function RulePreview({ group, rule }: { group: Group; rule?: () => object }): JSX.Element {
  const [got, setGot] = useState<NotifyPreview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const load = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setGot(await call<NotifyPreview>("POST", `/groups/${group.id}/preview`, rule ? { notify: rule() } : {}));
    } catch (x) {
      setGot(null);
      setError(x);
    }
    setBusy(false);
  };
  return (
    <div class="preview">
      <p class="muted">{t(rule ? "preview_text_form" : "preview_text")}</p>
      <button type="button" disabled={busy} onClick={() => void load()}>
        {busy ? t("working") : t("preview_run")}
      </button>
      <Fault error={error} />
      {got && <Sent of={got} />}
    </div>
  );
}

function Sent({ of: p }: { of: NotifyPreview }): JSX.Element {
  const to = p.recipients.length ? p.recipients.join(", ") : t("preview_to_channel");
  return (
    <div role="status">
      <p>
        <b>{t("preview_count", number(p.count))}</b> {p.more && t("preview_more")}
      </p>
      {p.channels.length ? (
        <p class="small">{t("preview_way", p.channels.join(", "), to)}</p>
      ) : (
        <p class="warn-text small">
          {t("preview_no_channel")} <A href="/notify/new">{t("notifier_add")}</A>
        </p>
      )}
      <ul class="lines scroll">
        {p.items.map((x, i) => (
          <li key={i}>
            <span class="muted small">{dateTime(x.at)}</span> {word("event." + x.event)}
            {x.days ? t("in_brackets", t("preview_days", x.days, date(x.not_after))) : ""} <Subject of={x.subject ?? ""} name={x.subject_name ?? null} />
          </li>
        ))}
      </ul>
      {p.count > p.items.length && <p class="muted small">{t("preview_first", number(p.items.length))}</p>}
    </div>
  );
}
