// One picture style: thin lines, one unit of space, words beside marks; drawn as SVG by hand.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import qrcode from "qrcode-generator";
import type { CertDetail, ChainItem, Summary } from "../lib/api";
import { date, month, number, relative, shortDate, stateText, t } from "../lib/i18n";
import { go } from "../lib/router";

/** The width a picture has, so that its words keep their size on a phone. */
function useMeasure(first: number): [{ current: HTMLDivElement | null }, number] {
  const el = useRef<HTMLDivElement>(null);
  const [w, set] = useState(first);
  useEffect(() => {
    const seen = new ResizeObserver((all) => set(Math.max(280, Math.round(all[0]?.contentRect.width ?? first))));
    if (el.current) seen.observe(el.current);
    return () => seen.disconnect();
  }, []);
  return [el, w];
}

const DAY = 86400000;
const WEEK = 7 * DAY;
/** What the summary counts: thirteen months. */
const WEEKS = 57;
/** From what is worst to what is fine: also the order of the stack. */
export const healthOrder = ["expired", "failed", "revoked", "deploy_failed", "drift", "expiring", "ordering", "new", "valid"];

/** Weeks from `first` on, `weeks` of them, as one bar. */
interface Bar {
  first: number;
  weeks: number;
  parts: { h: string; n: number }[];
  total: number;
}

function barsOf(s: Summary, each: number): Bar[] {
  // The last one takes what is left over: nothing is too narrow for a finger.
  const n = Math.floor(WEEKS / each);
  return Array.from({ length: n }, (_, i) => {
    const first = i * each,
      weeks = i === n - 1 ? WEEKS - first : each;
    const mine = s.weeks.filter((x) => x.week >= first && x.week < first + weeks);
    const parts = healthOrder.map((h) => ({ h, n: mine.reduce((a, x) => a + (x.health === h ? x.count : 0), 0) })).filter((x) => x.n > 0);
    return { first, weeks, parts, total: parts.reduce((a, x) => a + x.n, 0) };
  });
}

/** Thirteen months of ends, a bar for each week (for each four where a finger needs room); every bar leads to its list. */
export function ExpiryTimeline({ s }: { s: Summary }): JSX.Element {
  const [el, W] = useMeasure(1140);
  const [at, setAt] = useState<number | null>(null);
  const now = new Date(s.now).getTime();
  const from = Math.floor(now / DAY) * DAY; // weeks are counted from the beginning of the day in UTC
  const each = W < 640 ? 4 : 1;
  const bars = barsOf(s, each);
  const top = Math.max(1, ...bars.map((b) => b.total));
  const H = 150,
    low = 118,
    tall = 96,
    week = W / WEEKS,
    gap = each > 1 ? 6 : 4;
  const day = (w: number): number => from + w * WEEK;
  const link = (b: Bar): string => `/certs?from=${Math.floor(Math.max(now, day(b.first)) / 1000)}&before=${Math.floor(day(b.first + b.weeks) / 1000)}&sort=expires`;
  const name = (b: Bar): string => t("timeline_weeks", date(day(b.first)), date(day(b.first + b.weeks) - 1), number(b.total));
  const shown = at !== null ? bars[at] : undefined;
  return (
    <div class="pic">
      <div ref={el}>
        <svg viewBox={`0 0 ${W} ${H}`} class="timeline" role="group" aria-label={t("timeline_title")}>
          <line x1="0" x2={W} y1={low} y2={low} class="axis" />
          <line x1="0" x2={W} y1={low - tall} y2={low - tall} class="scale" />
          <text x={W} y={low - tall - 5} class="tick" text-anchor="end">
            {t("timeline_top", number(top))}
          </text>
          <Months from={from} week={week} />
          {bars.map((b, i) => {
            let y = low;
            if (b.total === 0) return null;
            return (
              <a
                key={b.first}
                href={link(b)}
                class="bar"
                aria-label={name(b)}
                onMouseEnter={() => setAt(i)}
                onMouseLeave={() => setAt(null)}
                onFocus={() => setAt(i)}
                onBlur={() => setAt(null)}
                onClick={(e) => {
                  e.preventDefault();
                  go(link(b));
                }}
              >
                <rect x={b.first * week} y="0" width={b.weeks * week} height={low} class="hit" />
                {b.parts.map((part) => {
                  const h = Math.max(4, (part.n / top) * tall);
                  y -= h;
                  return <rect key={part.h} x={b.first * week + gap / 2} y={y} width={b.weeks * week - gap} height={h - 1} class={`fill-${part.h}`} rx="1.5" />;
                })}
              </a>
            );
          })}
          <line x1="0.75" x2="0.75" y1="4" y2={low} class="now" />
        </svg>
      </div>
      <p class="pic-note" aria-hidden="true">
        {shown && shown.total > 0 ? `${name(shown)} : ${shown.parts.map((x) => `${stateText(x.h).text} ${number(x.n)}`).join(", ")}` : t(each > 1 ? "timeline_hint_4" : "timeline_hint")}
      </p>
    </div>
  );
}

/** The names of the months under the weeks: all that have room. */
function Months({ from, week }: { from: number; week: number }): JSX.Element {
  const all: { x: number; text: string }[] = [];
  for (let w = 0, last = ""; w < WEEKS; w++) {
    const m = month(from + w * WEEK);
    if (m !== last) all.push({ x: w * week, text: m });
    last = m;
  }
  // The rest of this month may be too short for its name: the next month's is kept.
  if (all[0] && all[1] && all[1].x - all[0].x < 3 * week) all.shift();
  const skip = Math.max(1, Math.ceil(40 / (4 * week)));
  return (
    <>
      {all.map((m, i) => (
        <g key={m.x}>
          <line x1={m.x} x2={m.x} y1={118} y2={124} class="axis" />
          {i % skip === 0 && (
            <text x={m.x + 3} y={138} class="tick">
              {m.text}
            </text>
          )}
        </g>
      ))}
    </>
  );
}

/** The life of a certificate: its versions over time, today, the planned renewal, deployments. */
export function LifeLine({ c }: { c: CertDetail }): JSX.Element | null {
  const [el, W] = useMeasure(1140);
  const vs = c.versions.filter((v) => v.not_before && v.not_after && !v.refused).slice(0, 6);
  if (vs.length === 0) return null;
  const ms = (s: string | null | undefined): number => new Date(s ?? 0).getTime();
  const now = Date.now();
  const current = vs.find((v) => v.state === "current") ?? vs[0];
  const start = Math.min(...vs.map((v) => ms(v.not_before)), now);
  const end = Math.max(...vs.map((v) => ms(v.not_after)), now);
  const pad = (end - start) * 0.03;
  const left = 8,
    right = W - 8,
    rowH = 30,
    top = 26;
  const x = (m: number): number => left + ((m - start + pad) / (end - start + 2 * pad)) * (right - left);
  const H = top + vs.length * rowH + 44;
  const renew = c.renew_at ? x(ms(c.renew_at)) : null;
  const words = [
    current ? `${t("in_service")}: ${date(current.not_before)} – ${date(current.not_after)} (${relative(current.not_after)})` : "",
    c.renew_at ? `${t("renewal_planned")}: ${date(c.renew_at)} (${relative(c.renew_at)})` : "",
  ].filter(Boolean);
  const nowX = x(now);
  return (
    <figure class="pic">
      <div ref={el}>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`${t("life_line")}. ${words.join(". ")}`}>
        {vs.map((v, i) => {
          const y = top + i * rowH;
          const a = x(ms(v.not_before)),
            b = x(ms(v.not_after));
          const text = `#${v.id} ${stateText(v.state).text}`;
          const inside = b - a > 120;
          return (
            <g key={v.id}>
              <rect x={a} y={y} width={Math.max(3, b - a)} height={rowH - 10} rx="3" class={`life life-${v.state}`} />
              <text x={inside ? a + 8 : a > W / 2 ? a - 6 : b + 6} y={y + 15} class="life-text" text-anchor={!inside && a > W / 2 ? "end" : "start"}>
                {text}
              </text>
            </g>
          );
        })}
        {c.deployments
          .filter((d) => ms(d.created) >= start)
          .map((d) => {
            const i = vs.findIndex((v) => v.id === d.version);
            if (i < 0) return null;
            return <circle key={d.id} cx={x(ms(d.created))} cy={top + i * rowH + 10} r="4.5" class={`dot dot-${d.state}`} />;
          })}
        <line x1={nowX} x2={nowX} y1="16" y2={H - 38} class="now" />
        <text x={nowX + (nowX > W - 70 ? -4 : 4)} y="12" class="tick strong" text-anchor={nowX > W - 70 ? "end" : "start"}>
          {t("today")}
        </text>
        {renew !== null && (
          <g>
            <line x1={renew} x2={renew} y1={16} y2={H - 38} class="renew" />
            <text x={renew + (renew > W - 160 ? -4 : 4)} y={H - 26} class="tick" text-anchor={renew > W - 160 ? "end" : "start"}>
              {t("renewal_planned")} {shortDate(c.renew_at)}
            </text>
          </g>
        )}
        <text x={left} y={H - 6} class="tick">
          {date(start)}
        </text>
        <text x={right} y={H - 6} class="tick" text-anchor="end">
          {date(end)}
        </text>
      </svg>
      </div>
      <figcaption class="pic-note">{words.join(" · ")}</figcaption>
    </figure>
  );
}

/** Leaf, intermediates, and the root that is not sent: who vouches for whom. */
export function ChainPicture({ items }: { items: ChainItem[] }): JSX.Element {
  const last = items[items.length - 1];
  return (
    <ol class="chain">
      {items.map((c, i) => (
        <li key={c.sha256} class={i === 0 ? "leaf" : ""}>
          <span class="chain-role">{i === 0 ? t("chain_leaf") : c.self_issued ? t("chain_root") : t("chain_mid")}</span>
          <b>{cn(c.subject) || c.names[0] || c.serial}</b>
          <span class="small muted">
            {c.key} · {c.signature} · {date(c.not_after)} ({relative(c.not_after)})
          </span>
        </li>
      ))}
      {last && !last.self_issued && (
        <li class="root">
          <span class="chain-role">{t(items.length > 1 ? "chain_root" : "issuer")}</span>
          <b>{cn(last.issuer)}</b>
          <span class="small muted">{t(items.length > 1 ? "chain_root_note" : "chain_missing")}</span>
        </li>
      )}
    </ol>
  );
}

export const cn = (dn: string | null | undefined): string => /(?:^|,\s*)CN=((?:\\.|[^,\\])*)/.exec(dn ?? "")?.[1]?.replace(/\\(.)/g, "$1") ?? dn ?? "";

/** How much of something limited is used. */
export function Meter({ used, of, label }: { used: number; of: number; label: string }): JSX.Element {
  const share = of > 0 ? Math.min(1, used / of) : 0;
  return (
    <div class="meter">
      <div class="meter-head">
        <span>{label}</span>
        <b>
          {number(used)} / {number(of)}
        </b>
      </div>
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label={`${label}: ${used} / ${of}`}>
        <rect width="100" height="4" rx="1" class="meter-bed" />
        <rect width={share * 100} height="4" rx="1" class={share >= 1 ? "meter-full" : "meter-used"} />
      </svg>
    </div>
  );
}

/** Counts by day as small columns: two weeks of renewals. */
export function Days({ s }: { s: Summary }): JSX.Element {
  const from = new Date(s.now).getTime();
  const days = Array.from({ length: 14 }, (_, d) => s.renewals.find((r) => r.day === d)?.count ?? 0);
  const late = s.renewals.find((r) => r.day < 0)?.count ?? 0;
  const top = Math.max(1, ...days);
  const total = days.reduce((a, b) => a + b, 0);
  if (total === 0 && late === 0) return <p class="pic-note">{t("renewals_14", 0)}</p>;
  return (
    <div class="pic">
      <svg viewBox="0 0 420 92" role="img" aria-label={t("renewals_14", total)}>
        <line x1="0" x2="420" y1="68" y2="68" class="axis" />
        {days.map((n, d) => {
          const h = n ? Math.max(4, (n / top) * 50) : 0;
          return (
            <g key={d}>
              <rect x={d * 30 + 5} y={68 - h} width="20" height={h} rx="2" class="fill-plan" />
              {n > 0 && (
                <text x={d * 30 + 15} y={62 - h} class="tick" text-anchor="middle">
                  {n > 9999 ? Math.round(n / 1000) + "k" : n}
                </text>
              )}
              {d % 2 === 0 && (
                <text x={d * 30 + 15} y="85" class="tick" text-anchor="middle">
                  {new Date(from + d * 86400000).getDate()}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <p class="pic-note">
        {t("renewals_14", number(total))}
        {late > 0 && <b class="warn-text"> {t("renewals_late", number(late))}</b>}
      </p>
    </div>
  );
}

/** The steps of a flow with where it is now: done, running, waiting, failed. */
export function Steps({ steps, now, state }: { steps: [string, string][]; now: string; state: string }): JSX.Element {
  const at = state === "done" ? steps.length : Math.max(0, steps.findIndex(([id]) => id === now));
  return (
    <ol class="steps">
      {steps.map(([id, text], i) => {
        const how = i < at ? "done" : i > at ? "later" : state === "failed" || state === "blocked" ? "bad" : "now";
        const mark = how === "done" ? "✓" : how === "bad" ? "!" : how === "now" ? "▶" : String(i + 1);
        return (
          <li key={id} class={`step-${how}`} aria-current={how === "now" ? "step" : undefined}>
            <span class="step-mark" aria-hidden="true">
              {mark}
            </span>
            <span>{text}</span>
          </li>
        );
      })}
    </ol>
  );
}

/** A QR code as one SVG path: no inline style, no image, so that the policy needs no exception. */
export function QrCode({ text, label }: { text: string; label: string }): JSX.Element {
  const qr = qrcode(0, "M");
  qr.addData(text);
  qr.make();
  const n = qr.getModuleCount();
  const quiet = 4;
  let d = "";
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (qr.isDark(y, x)) d += `M${x + quiet} ${y + quiet}h1v1h-1z`;
  const size = n + 2 * quiet;
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={d} fill="#000" />
    </svg>
  );
}
