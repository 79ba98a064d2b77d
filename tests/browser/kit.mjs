// What the tests share: Chromium, pages in a language, theme and size, axe, screenshots, the tally.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(config.web + "/package.json");
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const wide = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };
export const PASSWORD = "kyoto-maple-58-lantern";

export const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Console messages that are faults: refused by the policy, thrown, or a broken component. */
export const complaints = [];
const expected = /chrome-error|Failed to load resource|net::ERR_|the server responded with a status/;

/** Numbers of what the fleet has, by name; filled at the first sign-in. */
export const ids = {};
export const text = (page) => page.evaluate(() => document.body.innerText);

let state; // cookies of the administrator who signed in
export const keepState = async (context) => void (state = await context.storageState());

export async function open({ lang = "ja", theme = "light", size = wide, fresh = false, url = config.url, storage, reducedMotion = "reduce" } = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: size,
    locale: lang === "ja" ? "ja-JP" : "en-GB",
    timezoneId: "Asia/Tokyo",
    reducedMotion,
    acceptDownloads: true,
    storageState: fresh ? undefined : (storage ?? state),
  });
  await context.addInitScript(
    ([l, t]) => {
      localStorage.setItem("inro-lang", l);
      localStorage.setItem("inro-theme", t);
    },
    [lang, theme],
  );
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  page.on("console", (m) => m.type() === "error" && !expected.test(m.text()) && complaints.push(`${page.url()}: ${m.text()}`));
  page.on("pageerror", (e) => !page.url().startsWith("chrome-error") && complaints.push(`${page.url()}: ${e.message}`));
  page.on("request", (r) => !r.url().startsWith(url) && !/^(data|blob):/.test(r.url()) && complaints.push(`a request to ${r.url()}`));
  page.base = url;
  return page;
}

export async function visit(page, path) {
  await page.goto(page.base + path, { waitUntil: "domcontentloaded" });
  await settle(page);
}

/** Until nothing is being loaded: events keep the network busy, so the page itself says. */
export async function settle(page) {
  await page.waitForSelector("main", { state: "attached" });
  await page.waitForFunction(() => !document.querySelector(".loading"), null, { timeout: 15000 });
  await page.waitForTimeout(60);
}

export async function axe(page, what, rules) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource);
  const found = await page.evaluate(async (only) => {
    const r = await window.axe.run(document, { resultTypes: ["violations"], ...(only ? { runOnly: { type: "rule", values: only } } : { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] } }) });
    return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? n.all[0]?.message ?? "")).join(" | ")}`);
  }, rules);
  if (found.length) throw new Error(`axe, ${what}: ${found.join("; ")}`);
}

export const shot = (page, name, full = true) => page.screenshot({ path: `${config.shots}/${name}.png`, fullPage: full });

export async function api(page, method, path, body) {
  const session = await page.request.get(page.base + "/api/v1/session");
  const csrf = (await session.json()).csrf;
  const answer = await page.request.fetch(page.base + "/api/v1" + path, { method, headers: { "X-Inro-CSRF": csrf, "Content-Type": "application/json", Origin: page.base, "Sec-Fetch-Site": "same-origin" }, data: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (value?.error?.id === "api.prove") {
    const proof = await api(page, "POST", "/session/prove", { password: PASSWORD });
    if (proof.status === 200) return api(page, method, path, body);
  }
  return { status: answer.status(), body: value };
}

export const control = async (what) => {
  const a = await fetch(`${config.control}/${what}`, { method: "POST" });
  if (!a.ok) throw new Error(`control ${what}: ${a.status}`);
  return a.json();
};

/** In at the gate; `own`: the first password is changed to this one. */
export async function signIn(page, login, password, own) {
  await page.goto(page.base + "/");
  await page.fill("input[name=login]", login);
  await page.fill("input[name=password]", password);
  await page.click("button.primary");
  if (own) {
    await page.fill("input[name=old]", password);
    await page.fill("input[name=new]", own);
    await page.fill("input[name=again]", own);
    await page.click("button.primary");
  }
  await page.waitForSelector(".side", { state: "attached" });
}

/** Files as a person drops them, bytes and all. */
export async function drop(page, ...files) {
  const list = files.map((f) => ({ name: f.split("/").pop(), b64: readFileSync(f).toString("base64") }));
  const transfer = await page.evaluateHandle((l) => {
    const d = new DataTransfer();
    for (const f of l) d.items.add(new File([Uint8Array.from(atob(f.b64), (c) => c.charCodeAt(0))], f.name));
    return d;
  }, list);
  await page.dispatchEvent(".drop", "drop", { dataTransfer: transfer });
}

/** With the person's own password, where it is asked for. */
export async function proveIfAsked(page, until) {
  const own = page.locator("dialog input[autocomplete=current-password]");
  await Promise.race([page.waitForSelector(until), own.waitFor()]);
  if (!(await own.count())) return;
  await own.fill(PASSWORD);
  await page.click("dialog:has(input[autocomplete=current-password]) button.primary");
  await page.waitForSelector(until);
}

export function check(yes, text) {
  if (!yes) throw new Error(text);
}

const tests = [];
export const test = (name, run) => tests.push({ name, run });

export async function runAll() {
  let failed = 0;
  for (const t of tests) {
    if (config.only && !config.only.split("|").some((x) => t.name.includes(x)) && !t.always && !/^sign in/.test(t.name)) continue;
    const begin = Date.now();
    try {
      await t.run();
      console.log(`ok ${t.name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`not ok ${t.name}: ${String(e.message ?? e).split("\n").slice(0, 6).join(" / ").slice(0, 1500)}`);
      for (const c of browser.contexts()) for (const p of c.pages()) await p.screenshot({ path: `${config.out}/failed-${failed}.png` }).catch(() => undefined);
      if (/^sign in/.test(t.name)) break; // nothing else can be reached
    }
    for (const c of browser.contexts()) await c.close().catch(() => undefined);
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
