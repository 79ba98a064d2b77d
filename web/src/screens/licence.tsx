// How much of the licence is used, and until when: on the first page and in the settings.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { ApiError, call, type Summary, type Schemas } from "../lib/api";
import { date, pair, t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { Meter } from "../pic/pics";
import { Code, Facts, Fault, Field, Loading, Panel, faultText, toast } from "../ui/basic";

export type Licence = Schemas["Licence"];

export function useLicence(): { value: Licence | null; error: unknown; warning: string; reload: () => Promise<void> } {
  const l = useGet<Licence>("/licence", ["licence", "cert", "target"]);
  const v = l.value;
  let warning = "";
  if (v?.fault) warning = faultText(v.fault);
  else if (v?.clock_back) warning = t("licence_clock");
  else if (v?.state === "ended") warning = t("licence_ended", date(v.last_day));
  else if (v?.state === "ending") warning = t("licence_ends", date(v.last_day), v.days_left ?? 0);
  return { ...l, warning };
}

export function LicenceUse({ summary }: { summary?: Summary }): JSX.Element {
  const l = useLicence();
  if (l.error instanceof ApiError && l.error.status === 404) return <p class="muted">{t("licence_unknown", summary?.connectors["target"] ?? 0)}</p>;
  if (!l.value) return l.error ? <Fault error={l.error} /> : <Loading />;
  return (
    <>
      <Meter label={t("licence_certs")} used={l.value.certificates.used} of={l.value.certificates.limit} />
      <Meter label={t("licence_targets")} used={l.value.targets.used} of={l.value.targets.limit} />
      <p class={l.warning ? "warn-text" : "muted small"}>
        {pair(l.value.plan_label)} {l.warning ? ` · ${l.warning}` : l.value.last_day ? ` · ${t("licence_until", date(l.value.last_day))}` : ""}
      </p>
    </>
  );
}

export function LicencePanel(): JSX.Element {
  const l = useLicence();
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>(null);
  const input = useRef<HTMLInputElement>(null);
  const send = async (file: string): Promise<void> => {
    setError(null);
    try {
      await call("POST", "/licence", { file });
      toast(t("licence_imported"));
      setText("");
      await l.reload();
    } catch (x) {
      setError(x);
    }
  };
  return (
    <>
      <Panel title={t("licence")} id="licence">
        {l.error ? <Fault error={l.error} /> : !l.value ? <Loading /> : <LicenceFacts l={l.value} warning={l.warning} />}
      </Panel>
      {isAdmin() && (
        <Panel title={t("licence_import")} id="licence-import">
          <p class="lead">{t("licence_import_text")}</p>
          <input
            ref={input}
            class="sr"
            type="file"
            tabIndex={-1}
            aria-label={t("choose_files")}
            onChange={(e) => {
              const f = e.currentTarget.files?.[0];
              if (f) void f.text().then(send);
            }}
          />
          <form
            onSubmit={(e) => {
              e.preventDefault();
              void send(text);
            }}
          >
            <Field label={t("licence_text")} value={text} onValue={setText} rows={4} mono />
            <Fault error={error} />
            <div class="actions">
              <button type="button" onClick={() => input.current?.click()}>
                {t("choose_files")}
              </button>
              <button class="primary" disabled={!text.trim()}>
                {t("licence_import")}
              </button>
            </div>
          </form>
        </Panel>
      )}
    </>
  );
}

function LicenceFacts({ l, warning }: { l: Licence; warning: string }): JSX.Element {
  return (
    <>
      {warning && <p class="note warn">{warning}</p>}
      <div class="cols">
        <Meter label={t("licence_certs")} used={l.certificates.used} of={l.certificates.limit} />
        <Meter label={t("licence_targets")} used={l.targets.used} of={l.targets.limit} />
      </div>
      {!l.installed && <p class="note">{t("licence_none_text")}</p>}
      <Facts
        rows={[
          [t("plan"), pair(l.plan_label)],
          [t("licensee"), l.licensee],
          [t("service_code"), l.service_code],
          [t("term"), l.begins ? `${date(l.begins)} – ${date(l.last_day)}` : "–"],
          [t("licence_serial"), l.serial === undefined ? "–" : String(l.serial)],
          [t("installation"), <Code text={l.installation} />],
        ]}
      />
    </>
  );
}
