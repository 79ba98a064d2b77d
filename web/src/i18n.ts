// Both languages side by side: a key without its twin does not compile.
const texts = {
  title: ["Inro", "Inro 印籠"],
  tagline: ["certificates, applied for, deployed and proven", "証明書の申請・配布・監視"],
  login: ["E-mail address", "メールアドレス"],
  password: ["Password", "パスワード"],
  signIn: ["Sign in", "サインイン"],
  signOut: ["Sign out", "サインアウト"],
  signingIn: ["Signing in…", "サインイン中…"],
  expired: ["Your session has ended. Sign in again; nothing was lost.", "セッションが終了しました。もう一度サインインしてください。"],
  changeTitle: ["Choose your own password", "新しいパスワードを決めてください"],
  changeWhy: [
    "The one-time password is only for the first sign-in. At least 12 characters.",
    "初回パスワードは最初のサインインだけに使います。12 文字以上にしてください。",
  ],
  oldPassword: ["Present password", "現在のパスワード"],
  newPassword: ["New password", "新しいパスワード"],
  again: ["New password again", "新しいパスワード(確認)"],
  notSame: ["The two new passwords differ.", "2 つの新しいパスワードが一致しません。"],
  save: ["Save", "保存"],
  certificates: ["Certificates", "証明書"],
  running: ["Running now", "実行中"],
  runningNone: ["Nothing is running.", "実行中の処理はありません。"],
  search: ["Search names", "名前で検索"],
  name: ["Name", "名前"],
  state: ["State", "状態"],
  expires: ["Expires", "有効期限"],
  renewal: ["Next renewal", "次回更新"],
  issuer: ["Issuer", "発行者"],
  targets: ["Targets", "適用先"],
  key: ["Key", "鍵"],
  serial: ["Serial", "シリアル番号"],
  noneYet: [
    "No certificate yet. Apply for one with: inro cert request www.example.jp --ca CA",
    "証明書はまだありません。申請: inro cert request www.example.jp --ca CA",
  ],
  notFound: ["Nothing matches.", "該当する証明書はありません。"],
  more: ["Show more", "さらに表示"],
  loading: ["Loading…", "読み込み中…"],
  reconnecting: ["Connection lost; trying again.", "接続が切れました。再接続しています。"],
  back: ["Back to the list", "一覧へ戻る"],
  names: ["Names", "ドメイン名"],
  versions: ["Versions", "バージョン"],
  bindings: ["Where it is deployed", "適用設定"],
  bindingsNone: [
    "Not bound to any target. Bind it with: inro bind CERT TARGET",
    "適用先がありません。設定: inro bind 証明書 適用先",
  ],
  target: ["Target", "適用先"],
  since: ["Since", "開始"],
  served: ["Proven there", "適用済みバージョン"],
  showPlan: ["Show the plan", "計画を表示"],
  deploy: ["Deploy", "適用"],
  renew: ["Renew", "更新"],
  planTitle: ["Plan: what would change", "計画: 変更される内容"],
  planNothing: ["Everything is in place already; nothing would change.", "すべて適用済みです。変更はありません。"],
  planWhat: ["Change", "変更"],
  planObject: ["Object", "対象"],
  planBefore: ["Now", "現在"],
  planAfter: ["After", "変更後"],
  result: ["Result", "結果"],
  done: ["Done", "完了"],
  failed: ["Failed", "失敗"],
  working: ["Working…", "処理中…"],
  theme: ["Light / dark", "明るい / 暗い"],
  language: ["日本語", "English"],
  days: ["days", "日"],
  ago: ["ago", "前"],
  step: ["Step", "手順"],
  retryAt: ["again at", "再試行"],
  deployments: ["Deployments", "適用の履歴"],
  version: ["Version", "バージョン"],
  networkError: ["The server cannot be reached.", "サーバーに接続できません。"],
} as const satisfies Record<string, readonly [string, string]>;

export type Key = keyof typeof texts;
export type Lang = "en" | "ja";

let lang: Lang = pick();

function pick(): Lang {
  const kept = localStorage.getItem("inro-lang");
  if (kept === "en" || kept === "ja") return kept;
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

export const getLang = (): Lang => lang;

export function setLang(l: Lang): void {
  lang = l;
  localStorage.setItem("inro-lang", l);
  document.documentElement.lang = l;
}

export const t = (k: Key): string => texts[k][lang === "ja" ? 1 : 0];
export const pair = (m: { en: string; ja: string } | undefined | null): string => (m ? m[lang] : "");

const states: Record<string, readonly [string, string, string]> = {
  // state: mark (never colour alone), English, Japanese
  new: ["·", "new", "未申請"],
  ordering: ["…", "ordering", "申請中"],
  valid: ["✓", "valid", "有効"],
  expiring: ["!", "expiring", "期限間近"],
  expired: ["✕", "expired", "期限切れ"],
  deploy_failed: ["✕", "deploy failed", "適用失敗"],
  drift: ["≠", "drift", "不一致"],
  revoked: ["⊘", "revoked", "失効"],
  failed: ["✕", "application failed", "申請失敗"],
  clock_wrong: ["?", "clock wrong", "時計異常"],
  unwatched: ["○", "unwatched", "未監視"],
  ready: ["…", "waiting", "待機中"],
  running: ["▶", "running", "実行中"],
  blocked: ["!", "needs a person", "要対応"],
  done: ["✓", "done", "完了"],
  cancelled: ["⊘", "cancelled", "中止"],
  deployed: ["✓", "deployed", "適用済み"],
  verified: ["✓", "verified", "確認済み"],
  undone: ["↩", "undone", "取り消し済み"],
  skipped: ["·", "skipped", "省略"],
  waiting: ["…", "waiting", "待機中"],
  current: ["✓", "in service", "使用中"],
  staging: ["…", "ready to deploy", "適用待ち"],
  archived: ["·", "archived", "旧版"],
  keyed: ["…", "key made", "鍵作成済み"],
};

export function stateText(s: string): { mark: string; text: string } {
  const row = states[s];
  return row ? { mark: row[0], text: row[lang === "ja" ? 2 : 1] } : { mark: "·", text: s };
}

const dateJa = new Intl.DateTimeFormat("ja-JP", { dateStyle: "long", timeZone: "Asia/Tokyo" });
const dateEn = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const timeJa = new Intl.DateTimeFormat("ja-JP", { dateStyle: "long", timeStyle: "medium", timeZone: "Asia/Tokyo" });
const timeEn = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const date = (s: string | null | undefined): string =>
  s ? (lang === "ja" ? dateJa : dateEn).format(new Date(s)) : "–";
export const dateTime = (s: string | null | undefined): string =>
  s ? (lang === "ja" ? timeJa : timeEn).format(new Date(s)) : "–";

/** "in 58 days" / "あと 58 日", minutes and hours for what is near. */
export function relative(s: string | null | undefined): string {
  if (!s) return "";
  const secs = (new Date(s).getTime() - Date.now()) / 1000;
  const f = new Intl.RelativeTimeFormat(lang === "ja" ? "ja-JP" : "en", { numeric: "always" });
  const abs = Math.abs(secs);
  if (abs < 120) return f.format(Math.round(secs), "second");
  if (abs < 7200) return f.format(Math.round(secs / 60), "minute");
  if (abs < 172800) return f.format(Math.round(secs / 3600), "hour");
  return f.format(Math.round(secs / 86400), "day");
}
