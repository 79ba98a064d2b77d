// Keys, policy and proof of control as the wizard and the edit form ask for them.
import type { JSX } from "preact";
import type { TypeSchema } from "../lib/api";
import { getLang, t, word } from "../lib/i18n";
import { Check, Field, Select } from "../ui/basic";
import { Fields, outgoing, useTypes, type Values } from "../ui/form";
import { WindowField } from "../ui/window";

export const keyChoices: [string, string][] = [
  ["ec256", "EC P-256"],
  ["ec384", "EC P-384"],
  ["rsa2048", "RSA 2048"],
  ["rsa3072", "RSA 3072"],
  ["rsa4096", "RSA 4096"],
];

export interface PolicyValues {
  auto_renew: boolean;
  renew_before: string;
  validity: string;
  on_failure: string;
  allow_loss: boolean;
  profile: string;
  window: string;
  approval: boolean;
}
export const firstPolicy: PolicyValues = { auto_renew: true, renew_before: "", validity: "", on_failure: "stop", allow_loss: false, profile: "", window: "", approval: false };

export function policyOut(p: PolicyValues): Values {
  const out: Values = { auto_renew: p.auto_renew, on_failure: p.on_failure, allow_loss: p.allow_loss, approval: p.approval };
  if (p.window?.trim()) out["window"] = p.window.trim(); // a draft of before may lack it
  if (p.renew_before.trim()) out["renew_before"] = p.renew_before.trim();
  if (p.validity.trim()) out["validity"] = p.validity.trim();
  if (p.profile.trim()) out["profile"] = p.profile.trim();
  return out;
}

export function PolicyForm({ p, set }: { p: PolicyValues; set: (p: PolicyValues) => void }): JSX.Element {
  return (
    <>
      <Check label={t("auto_renew")} on={p.auto_renew} set={(v) => set({ ...p, auto_renew: v })} help={t("auto_renew_help")} />
      <Select
        label={t("on_failure_label")}
        value={p.on_failure}
        of={["stop", "continue", "undo_all"].map((x) => [x, word("on_failure." + x)])}
        onValue={(v) => set({ ...p, on_failure: v })}
        help={t("on_failure_help")}
      />
      <WindowField value={p.window} set={(v) => set({ ...p, window: v })} />
      <Check label={t("approval_label")} on={p.approval} set={(v) => set({ ...p, approval: v })} help={t("approval_help")} />
      <details class="fold">
        <summary>{t("advanced")}</summary>
        <Field label={t("renew_before_label")} value={p.renew_before} onValue={(v) => set({ ...p, renew_before: v })} placeholder="30d" help={t("renew_before_help")} />
        <Field label={t("validity_label")} value={p.validity} onValue={(v) => set({ ...p, validity: v })} placeholder="90d" help={t("validity_help")} />
        <Field label={t("profile_label")} value={p.profile} onValue={(v) => set({ ...p, profile: v })} help={t("profile_help")} />
        <Check label={t("allow_loss")} on={p.allow_loss} set={(v) => set({ ...p, allow_loss: v })} help={t("allow_loss_help")} />
      </details>
    </>
  );
}

/** The kind of proof, and where it is put. */
export function challengeText(v: Values): string {
  const place = [v["host"], v["directory"]].filter((x) => typeof x === "string" && x).join(":");
  return word("challenge." + String(v["type"] ?? "http-01")) + (place ? ` – ${place}` : "");
}

/** What is sent of a challenge's form. */
export function challengeOut(types: TypeSchema[] | null, v: Values): Values {
  const type = String(v["type"] ?? "http-01");
  const fields = types?.find((x) => x.id === type)?.fields;
  return fields ? { ...outgoing(fields, v), type } : v;
}

/** Only what can work is offered: a wildcard needs DNS, a private CA needs no proof. */
export function ChallengeForm(p: { values: Values; set: (v: Values) => void; wildcard: boolean; error?: unknown }): JSX.Element {
  const types = useTypes("challenge", getLang());
  const type = String(p.values["type"] ?? "http-01");
  const offered = (types ?? []).filter((x) => !p.wildcard || x.id.startsWith("dns"));
  const chosen = types?.find((x) => x.id === type);
  if (types && offered.length === 0) return <p class="fault">{t("wildcard_no_dns")}</p>;
  return (
    <>
      <div class="choices" role="radiogroup" aria-label={t("challenge")}>
        {offered.map((x) => (
          <label key={x.id} class={x.id === type ? "choice on" : "choice"}>
            <input type="radio" name="challenge" value={x.id} checked={x.id === type} onChange={() => p.set({ type: x.id })} />
            <span>
              <b>{x.name}</b>
              <span class="muted small">{x.about}</span>
            </span>
          </label>
        ))}
      </div>
      {chosen?.fields && <Fields fields={chosen.fields} values={p.values} set={(v) => p.set({ ...v, type })} error={p.error} />}
    </>
  );
}
