// Changing a certificate's wishes: they count from the next application on.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, type CertDetail } from "../lib/api";
import { getLang, t } from "../lib/i18n";
import { display } from "../lib/idn";
import { Field, Select } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { SaveEnd, useSave } from "../ui/save";
import { GroupSelect } from "../ui/group";
import { TagField, splitTags } from "../ui/tags";
import { secsText, useTypes, type Values } from "../ui/form";
import { caNames } from "./cert";
import { OrgSelect } from "./orgs";
import { ChallengeForm, PolicyForm, challengeOut, firstPolicy, keyChoices, policyOut, type PolicyValues } from "./policy";

/** One that came without a CA was not to be renewed: with its first CA it is, unless somebody says otherwise. */
function policyIn(p: Record<string, unknown> | null, ca: string | null): PolicyValues {
  const secs = (k: string): string => (typeof p?.[k] === "number" && p[k] ? secsText(p[k] as number) : "");
  return {
    ...firstPolicy,
    auto_renew: p?.["auto_renew"] !== false || !ca,
    on_failure: String(p?.["on_failure"] ?? "stop"),
    allow_loss: p?.["allow_loss"] === true,
    renew_before: secs("renew_before"),
    validity: secs("validity"),
    profile: String(p?.["profile"] ?? ""),
    window: String(p?.["window"] ?? ""),
    approval: p?.["approval"] === true,
  };
}

export function EditCert({ cert, close, done }: { cert: CertDetail; close: () => void; done: () => void }): JSX.Element {
  const [name, setName] = useState(cert.name);
  const [names, setNames] = useState(cert.names.join("\n"));
  const [ca, setCa] = useState(cert.ca ?? "");
  const [key, setKey] = useState(cert.key);
  const [group, setGroup] = useState(cert.group ?? "");
  const [org, setOrg] = useState(cert.organisation ?? "");
  const [tags, setTags] = useState(cert.tags.join(", "));
  const [policy, setPolicy] = useState(policyIn(cert.policy, cert.ca));
  const [challenge, setChallenge] = useState<Values>(cert.challenge && cert.challenge["type"] ? cert.challenge : { type: "http-01" });
  const proofs = useTypes("challenge", getLang());
  const [cas, setCas] = useState<string[]>([]);
  useEffect(() => void caNames().then(setCas, () => undefined), []);
  /** What only a CA can give. */
  const asked = (): object => ({
    names: names.split(/[\s,;]+/).filter(Boolean),
    ca,
    key,
    ...(org !== (cert.organisation ?? "") ? { organisation: org || null } : {}),
    challenge: challengeOut(proofs, challenge),
  });
  const save = useSave({
    of: { path: `/certs/${cert.id}`, revision: cert.revision },
    send: (revision) =>
      call("PATCH", `/certs/${cert.id}`, {
        name: name.trim(),
        ...(group !== (cert.group ?? "") ? { group } : {}),
        tags: splitTags(tags),
        policy: policyOut(policy),
        ...(ca ? asked() : {}),
        revision,
      }),
    done,
  });
  return (
    <Dialog title={t("edit_title", display(cert.name))} onClose={close} wide>
      <form onSubmit={save.submit}>
        <p class="lead">{t("edit_cert_lead")}</p>
        <Field label={t("cert_name")} value={name} onValue={setName} required />
        <GroupSelect value={group} set={setGroup} />
        <TagField label={t("tags")} value={tags} set={setTags} />
        <Select
          label={t("ca")}
          value={ca}
          of={[["", t(cert.ca ? "choose" : "edit_no_ca")], ...cas.map((x): [string, string] => [x, x])]}
          onValue={setCa}
          required={cert.ca !== null}
          help={cert.ca ? undefined : t("edit_no_ca_help")}
        />
        {ca && (
          <>
            <Field label={t("names")} value={names} onValue={setNames} rows={4} mono help={t("one_per_line")} required />
            <Select label={t("key")} value={key} of={keyChoices.some(([k]) => k === key) ? keyChoices : [...keyChoices, [key, key]]} onValue={setKey} />
            <OrgSelect value={org} set={setOrg} />
            <h3>{t("challenge")}</h3>
            <ChallengeForm values={challenge} set={setChallenge} wildcard={names.includes("*.")} error={save.error} />
          </>
        )}
        <h3>{t("policy")}</h3>
        <PolicyForm p={policy} set={setPolicy} />
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}
