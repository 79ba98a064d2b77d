// The frame: navigation, the way to everything by keyboard, and which screen an address means.
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Session } from "../lib/api";
import { getLang, setLang, t, word, type Key } from "../lib/i18n";
import { useGet, useKept } from "../lib/hooks";
import { linkUp, onLink } from "../lib/live";
import { canOperate, isAdmin, setRole } from "../lib/role";
import { A, go, usePlace, type Place } from "../lib/router";
import { getTheme, setTheme, type Theme } from "../lib/theme";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Palette, type Command } from "../ui/palette";
import { AuditScreen } from "./audit";
import { CertScreen } from "./cert";
import { CertsScreen } from "./certs";
import { ConnectorsScreen } from "./connectors";
import { Dashboard } from "./dashboard";
import { DeploymentScreen, DeploymentsScreen } from "./deployments";
import { GuideBar, GuideScreen } from "./guide";
import { ImportScreen } from "./importing";
import { HoldBanner } from "./keeping";
import { NotifyScreen } from "./notify";
import { OrdersScreen } from "./orders";
import { OrgsScreen } from "./orgs";
import { ProfileScreen } from "./profile";
import { ReportScreen } from "./report";
import { RequestScreen } from "./request";
import { SettingsScreen } from "./settings";
import { Seal } from "./signin";
import { VendorScreen } from "./vendor";
import { DiscoverScreen, DiscoveryScreen } from "./discover";
import { EndpointScreen, WatchScreen } from "./watch";

interface Item {
  at: string;
  key: Key;
  icon: string;
  go: string;
  may?: () => boolean;
}
const nav: Item[] = [
  { at: "/", key: "dashboard", icon: "home", go: "d" },
  { at: "/certs", key: "certificates", icon: "cert", go: "c" },
  { at: "/orders", key: "orders", icon: "order", go: "o" },
  { at: "/targets", key: "targets", icon: "target", go: "t" },
  { at: "/deployments", key: "deployments", icon: "deploy", go: "r" },
  { at: "/watch", key: "watch", icon: "watch", go: "w" },
  { at: "/notify", key: "notify", icon: "notify", go: "n" },
  { at: "/cas", key: "cas", icon: "ca", go: "a" },
  { at: "/orgs", key: "orgs", icon: "org", go: "p" },
  { at: "/audit", key: "audit", icon: "audit", go: "l", may: isAdmin },
  { at: "/settings", key: "settings", icon: "settings", go: "s" },
];

const vendorItem: Item = { at: "/vendor", key: "vendor", icon: "vendor", go: "v" };

function screen(p: Place, session: Session, onSession: (s: Session) => void, redraw: () => void): JSX.Element {
  const [a, b, c] = p.path;
  switch (a) {
    case undefined:
      return <Dashboard />;
    case "certs":
      return b === "new" ? <RequestScreen place={p} /> : b === "import" ? <ImportScreen /> : b ? <CertScreen key={b} id={b} /> : <CertsScreen place={p} />;
    case "orders":
      return <OrdersScreen place={p} />;
    case "targets":
      return <ConnectorsScreen key={"target" + (b ?? "")} kind="target" id={b} place={p} />;
    case "deployments":
      return b ? <DeploymentScreen key={b} id={b} /> : <DeploymentsScreen place={p} />;
    case "watch":
      if (b === "discover") return c ? <DiscoveryScreen key={c} id={c} place={p} /> : <DiscoverScreen />;
      return b ? <EndpointScreen key={b} id={b} /> : <WatchScreen place={p} />;
    case "notify":
      return b ? <ConnectorsScreen key={"notifier" + b} kind="notifier" id={b} place={p} /> : <NotifyScreen place={p} />;
    case "backup-stores":
      return <ConnectorsScreen key={"backup" + (b ?? "")} kind="backup" id={b} place={p} />;
    case "cas":
      return <ConnectorsScreen key={"ca" + (b ?? "")} kind="ca" id={b} place={p} />;
    case "orgs":
      return <OrgsScreen id={b} />;
    case "audit":
      return <AuditScreen place={p} />;
    case "settings":
      return <SettingsScreen path={p.path.slice(1)} />;
    case "vendor":
      return <VendorScreen place={p} />;
    case "profile":
      return <ProfileScreen session={session} onSession={onSession} redraw={redraw} />;
    case "guide":
      return <GuideScreen />;
    case "report":
      return <ReportScreen which={b ?? "inventory"} />;
    default:
      return <NotFound />;
  }
}

function NotFound(): JSX.Element {
  return (
    <div class="empty">
      <h1 class="empty-title">{t("not_found_title")}</h1>
      <p class="muted">{t("not_found_text")}</p>
      <A href="/" class="button">
        {t("dashboard")}
      </A>
    </div>
  );
}

interface Props {
  session: Session;
  onOut: () => void;
  onSession: (s: Session) => void;
  redraw: () => void;
}

export function Shell({ session, onOut, onSession, redraw }: Props): JSX.Element {
  setRole(session.user.role);
  const p = usePlace();
  const [open, setOpen] = useState(false);
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [live, setLive] = useState<boolean | null>(linkUp() || null);
  const [narrow, setNarrow] = useKept("nav-narrow", false);
  const desk = useGet<{ open: boolean }>(isAdmin() ? "/vendor" : null, []).value?.open === true;
  const items = [...nav, ...(desk ? [vendorItem] : [])].filter((i) => !i.may || i.may());
  useEffect(() => {
    if (linkUp()) setLive(true); // it came up between the first drawing and now
    return onLink(setLive);
  }, []);
  useEffect(() => setOpen(false), [p]);
  useKeys(items, () => setPalette(true), () => setHelp(true));
  const lang = (): void => {
    setLang(getLang() === "ja" ? "en" : "ja");
    redraw();
  };
  const commands = useCommands(items, lang, onOut, setHelp);
  const root = "/" + (p.path[0] ?? "");
  return (
    <div class={`frame ${open ? "nav-open" : ""} ${narrow ? "nav-narrow" : ""}`}>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header class="top">
        <button class="quiet only-phone" aria-label={t("menu")} aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon of="menu" />
        </button>
        <A href="/" class="brand" aria-label={`Inro - ${t("dashboard")}`}>
          <Seal />
          <span>Inro</span>
        </A>
        <button class="find" onClick={() => setPalette(true)}>
          <Icon of="search" />
          <span>{t("palette_hint")}</span>
          <kbd aria-hidden="true">Ctrl K</kbd>
        </button>
        <span class={`link ${live === false ? "down" : live ? "up" : ""}`} title={live === false ? t("reconnecting") : t("live")}>
          <span aria-hidden="true">{live === false ? "○" : live ? "●" : "·"}</span>
          <span class="link-text">{live === false ? t("reconnecting") : live ? t("live") : t("connecting")}</span>
        </span>
        <Me session={session} onOut={onOut} lang={lang} redraw={redraw} />
      </header>
      <nav class="side" aria-label={t("navigation")}>
        <div class="side-in">
        <ul>
          {items.map((i) => (
            <li key={i.at}>
              <A href={i.at} aria-current={root === i.at ? "page" : undefined} title={narrow ? t(i.key) : undefined}>
                <Icon of={i.icon} />
                <span>{t(i.key)}</span>
              </A>
            </li>
          ))}
        </ul>
        <button class="quiet narrow-toggle" onClick={() => setNarrow(!narrow)} aria-label={narrow ? t("nav_widen") : t("nav_narrow")}>
          {narrow ? "»" : "«"}
        </button>
        </div>
      </nav>
      {open && <div class="veil" onClick={() => setOpen(false)} />}
      <main id="main" tabIndex={-1} key={getLang()}>
        <HoldBanner />
        <GuideBar key={String(root === "/guide")} here={root === "/guide"} />
        {screen(p, session, onSession, redraw)}
      </main>
      {palette && <Palette commands={commands} close={() => setPalette(false)} />}
      {help && <Keys items={items} close={() => setHelp(false)} />}
    </div>
  );
}

function useCommands(items: Item[], lang: () => void, onOut: () => void, setHelp: (v: boolean) => void): Command[] {
  return useMemo(() => {
    const list: Command[] = items.map((i) => ({ text: t(i.key), keys: i.at, hint: `g ${i.go}`, run: () => go(i.at) }));
    if (canOperate())
      list.push(
        { text: t("request_cert"), keys: "new apply request", run: () => go("/certs/new") },
        { text: t("import_cert"), keys: "import", run: () => go("/certs/import") },
        { text: t("watch_add"), keys: "watch endpoint", run: () => go("/watch?add=1") },
        { text: t("discover"), keys: "discover scan find", run: () => go("/watch/discover") },
      );
    if (isAdmin())
      list.push(
        { text: t("target_add"), keys: "target add", run: () => go("/targets/new") },
        { text: t("ca_add"), keys: "ca add", run: () => go("/cas/new") },
        { text: t("notifier_add"), keys: "notifier add", run: () => go("/notify/new") },
        { text: t("vendor"), keys: "vendor", run: () => go("/vendor") },
        { text: t("users"), keys: "users", run: () => go("/settings/users") },
      );
    const themes: [Theme, Key][] = [
      ["light", "theme_light"],
      ["dark", "theme_dark"],
      ["auto", "theme_auto"],
    ];
    for (const [v, k] of themes) list.push({ text: `${t("theme")}: ${t(k)}`, keys: "theme " + v, run: () => setTheme(v) });
    list.push(
      { text: t("report_inventory"), keys: "report print", run: () => go("/report/inventory") },
      { text: t("report_expiry"), keys: "report print", run: () => go("/report/expiry") },
      { text: t("guide"), keys: "guide help start", run: () => go("/guide") },
      { text: t("profile"), keys: "profile password", run: () => go("/profile") },
      { text: t("keys_title"), keys: "keyboard shortcuts", hint: "?", run: () => setHelp(true) },
      { text: getLang() === "ja" ? "English" : "日本語", keys: "language 言語", run: lang },
      { text: t("sign_out"), keys: "sign out", run: onOut },
    );
    return list;
  }, [items.length, getLang()]);
}

function useKeys(items: Item[], palette: () => void, help: () => void): void {
  useEffect(() => {
    let first = 0;
    const down = (e: KeyboardEvent): void => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        palette();
        return;
      }
      if (e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).closest?.("input,textarea,select,dialog")) return;
      if (e.key === "g") first = Date.now();
      else if (Date.now() - first < 1200) {
        first = 0;
        const to = items.find((i) => i.go === e.key);
        if (to) go(to.at);
      } else if (e.key === "/") {
        const box = document.querySelector<HTMLInputElement>("main input[type=search]");
        e.preventDefault();
        if (box) box.focus();
        else palette();
      } else if (e.key === "?") help();
      else if ((e.key === "j" || e.key === "k") && !(e.target as HTMLElement).closest?.("table")) document.querySelector<HTMLElement>("main tbody:not(.gap) tr[tabindex]")?.focus();
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [items.length]);
}

function Me({ session, onOut, lang, redraw }: { session: Session; onOut: () => void; lang: () => void; redraw: () => void }): JSX.Element {
  const [open, setOpen] = useState(false);
  const other = getLang() === "ja" ? "en" : "ja";
  useEffect(() => {
    if (!open) return;
    const away = (e: Event): void => {
      if (e instanceof KeyboardEvent ? e.key === "Escape" : !(e.target as HTMLElement).closest(".me")) setOpen(false);
    };
    addEventListener("click", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("click", away);
      removeEventListener("keydown", away);
    };
  }, [open]);
  const themes: [Theme, Key][] = [
    ["auto", "theme_auto"],
    ["light", "theme_light"],
    ["dark", "theme_dark"],
  ];
  return (
    <div class="me">
      <button class="quiet" aria-expanded={open} aria-label={`${t("account")}: ${session.user.name}`} onClick={() => setOpen(!open)}>
        <Icon of="user" />
        <span class="me-name">{session.user.name}</span>
      </button>
      {open && (
        <div class="menu">
          <p class="menu-who">
            <b>{session.user.name}</b>
            <span class="muted small">
              {session.user.login} · {word("role." + session.user.role)}
            </span>
          </p>
          <A href="/profile" onClick={() => setOpen(false)}>
            {t("profile")}
          </A>
          <A href="/guide" onClick={() => setOpen(false)}>
            {t("guide")}
          </A>
          <button lang={other} onClick={lang}>
            {other === "ja" ? "日本語で表示" : "Show in English"}
          </button>
          <div class="seg" role="group" aria-label={t("theme")}>
            {themes.map(([v, k]) => (
              <button
                key={v}
                aria-pressed={getTheme() === v}
                onClick={() => {
                  setTheme(v);
                  redraw();
                }}
              >
                {t(k)}
              </button>
            ))}
          </div>
          <button onClick={onOut}>{t("sign_out")}</button>
        </div>
      )}
    </div>
  );
}

function Keys({ items, close }: { items: Item[]; close: () => void }): JSX.Element {
  const rows: [string, string][] = [
    ["Ctrl K", t("palette")],
    ["/", t("keys_search")],
    ["j / k", t("keys_rows")],
    ["Enter", t("keys_open")],
    ["x", t("keys_select")],
    ["?", t("keys_title")],
    ...items.map((i): [string, string] => [`g ${i.go}`, t(i.key)]),
  ];
  return (
    <Dialog title={t("keys_title")} onClose={close}>
      <dl class="keys">
        {rows.map(([k, v]) => (
          <div key={k}>
            <dt>
              <kbd>{k}</kbd>
            </dt>
            <dd>{v}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
