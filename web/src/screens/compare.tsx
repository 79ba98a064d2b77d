// What a version has that the one before it had not, and the other way round.
import type { JSX } from "preact";
import type { CertDetail, ChainItem, Version } from "../lib/api";
import { dateTime, t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { display } from "../lib/idn";
import { Fault, Loading } from "../ui/basic";
import { Dialog } from "../ui/dialog";

const DAY = 86400000;
const issued = (v: Version): boolean => !!v.not_after && !v.refused;

/** The one it replaced: the newest that was issued before it. */
export const versionBefore = (c: CertDetail, v: Version): Version | undefined => (issued(v) ? c.versions.filter((x) => x.id < v.id && issued(x)).sort((a, b) => b.id - a.id)[0] : undefined);

interface Line {
  what: string;
  before: string[];
  after: string[];
}

function linesOf(a: ChainItem, b: ChainItem, sameKey: boolean): Line[] {
  const days = (x: ChainItem): string => t("compare_days", Math.round((Date.parse(x.not_after) - Date.parse(x.not_before)) / DAY));
  const names = (x: ChainItem, other: ChainItem): string[] => x.names.filter((n) => !other.names.includes(n)).map(display);
  const pairs: Line[] = [
    { what: t("names"), before: names(a, b), after: names(b, a) },
    { what: t("subject"), before: [a.subject], after: [b.subject] },
    { what: t("issuer"), before: [a.issuer], after: [b.issuer] },
    { what: t("key"), before: [a.key], after: [b.key] },
    { what: t("compare_signature"), before: [a.signature], after: [b.signature] },
    { what: t("compare_life"), before: [days(a)], after: [days(b)] },
    { what: t("expires"), before: [dateTime(a.not_after)], after: [dateTime(b.not_after)] },
  ];
  return [...pairs.filter((l) => l.before.join() !== l.after.join()), { what: t("compare_key"), before: [], after: [t(sameKey ? "compare_key_same" : "compare_key_new")] }];
}

export function CompareVersions({ c, from, to, close }: { c: CertDetail; from: Version; to: Version; close: () => void }): JSX.Element {
  const a = useGet<{ items: ChainItem[] }>(`/certs/${c.id}/chain?version=${from.id}`);
  const b = useGet<{ items: ChainItem[] }>(`/certs/${c.id}/chain?version=${to.id}`);
  const [old, now] = [a.value?.items[0], b.value?.items[0]];
  return (
    <Dialog title={t("compare_title", from.id, to.id)} onClose={close} wide>
      <Fault error={a.error ?? b.error} />
      {old && now ? (
        <ul class="diff">
          {linesOf(old, now, from.spki_sha256 === to.spki_sha256).map((l) => (
            <li key={l.what}>
              <p class="diff-what">{l.what}</p>
              {l.before.map((x) => (
                <p key={x} class="diff-before">
                  <span class="sr">{t("plan_before")}</span>
                  <span aria-hidden="true">−</span> {x}
                </p>
              ))}
              {l.after.map((x) => (
                <p key={x} class="diff-after">
                  <span class="sr">{t("plan_after")}</span>
                  <span aria-hidden="true">+</span> {x}
                </p>
              ))}
            </li>
          ))}
        </ul>
      ) : (
        !(a.error ?? b.error) && <Loading />
      )}
    </Dialog>
  );
}
