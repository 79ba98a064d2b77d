// What the walk does not meet by itself: rights taken away, others who were first, copies of the
// installation, words of strangers from every side, the keyboard, rest for the eyes, paper.
import { readFileSync, writeFileSync } from "node:fs";
import { api, axe, check, config, control, ids, open, proveIfAsked, settle, shot, signIn, test, text, visit, PASSWORD } from "./kit.mjs";

const EVILS = ["<img src=x onerror=window.__hit=21>", "\"><script>window.__hit=22</script>", "javascript:window.__hit=23"];

/** Nothing of it ran, and nothing of it became an element. */
async function harmless(page, where) {
  check((await page.evaluate(() => window.__hit)) === undefined, `a script ran at ${where}`);
  check((await page.$$("main img, main script, main iframe, dialog img, dialog script, main a[href^='javascript']")).length === 0, `markup was made at ${where}`);
}

await import("./lists.mjs");

test("words of strangers: a CA's problems, a mail server's greeting, a tool's last words", async () => {
  const page = await open();
  const strange = config.strange;
  const made = {};
  for (const [what, path, body] of [
    ["ca", "/cas", { name: "悪い認証局", type: "acme", settings: { directory: strange.directory, roots: strange.roots } }],
    ["mail", "/notifiers", { name: "悪いメール", type: "smtp", settings: { host: "127.0.0.1", port: strange.greeter, security: "plain", from: "a@example.jp", to: ["b@example.jp"] } }],
    ["tool", "/targets", { name: "悪い道具", type: "files", settings: { via: "local", test_command: strange.command } }],
  ]) {
    const a = await api(page, "POST", path, body);
    check(a.status === 201, `${what}: ${JSON.stringify(a.body)}`);
    made[what] = [path, a.body.id];
  }
  for (const [what, screen] of [["mail", "/notify/"], ["tool", "/targets/"]]) {
    await visit(page, screen + made[what][1]);
    await page.click("section:has(#check) button >> nth=-1"); // of a channel: the test message
    await page.waitForSelector("section:has(#check) .state-failed", { timeout: 30000 });
    const said = await page.textContent("section:has(#check)");
    check(said.includes("__hit="), `${what}: its words are not shown: ${said}`);
    await harmless(page, screen);
  }
  const cert = await api(page, "POST", "/certs", { names: ["strange.example.jp"], ca: "悪い認証局" });
  check(cert.status < 300, `apply: ${JSON.stringify(cert.body)}`);
  const id = cert.body.cert.id;
  await visit(page, `/certs/${id}`);
  await page.waitForFunction(() => document.body.innerText.includes("__hit="), null, { timeout: 30000 });
  await harmless(page, "the certificate");
  await shot(page, "90-strange-ca-ja");
  const watch = await api(page, "POST", "/endpoints", { host: "127.0.0.1", port: strange.greeter, starttls: "smtp" });
  check(watch.status === 201, `endpoint: ${JSON.stringify(watch.body)}`);
  await visit(page, `/watch/${watch.body.id}`);
  await page.click("text=今すぐ確認");
  await page.waitForSelector(".state-unreachable", { timeout: 30000 });
  for (const path of ["/", "/orders", "/orders?tab=orders", "/orders?tab=jobs", "/watch", "/notify?tab=history", "/notify?tab=events", "/audit", "/report/audit"]) {
    await visit(page, path);
    await harmless(page, path);
  }
  await visit(page, "/watch?add=1"); // a name that no DNS has
  await page.fill("dialog input >> nth=0", EVILS[0]);
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog .fault");
  await harmless(page, "a refused host");
  await api(page, "DELETE", `/endpoints/${watch.body.id}`);
  await api(page, "POST", `/jobs/${cert.body.job?.id}/cancel`);
  await api(page, "DELETE", `/certs/${id}`);
  for (const [path, n] of Object.values(made)) await api(page, "DELETE", `${path}/${n}`);
});

test("words of strangers: names of files and of a licence", async () => {
  const page = await open();
  await visit(page, "/certs/import");
  await page.setInputFiles("input[type=file]", [{ name: EVILS[0] + ".pem", mimeType: "text/plain", buffer: readFileSync(config.pem) }]);
  await page.waitForSelector("#seen");
  check((await page.textContent(".drop")).includes(EVILS[0]), "the name of the file is not shown");
  await harmless(page, "import");
  const post = async (path, body) => {
    const a = await api(page, "POST", path, body);
    check(a.status < 300, `${path}: ${JSON.stringify(a.body)}`);
    return a.body;
  };
  const was = (await api(page, "GET", "/vendor/licences?limit=50")).body.items.find((l) => l.plan !== "meets");
  const customer = await post("/vendor/customers", { name: EVILS[0], mail: "evil@example.jp", installation: was.installation });
  const on = new Date(Date.now() - 40 * 86400000).toISOString().slice(0, 10);
  const order = await post("/vendor/orders", { customer: String(customer.id), kind: "basic", basics: 100000, servers: 0, on });
  await post(`/vendor/orders/${order.id}/accept`);
  const issued = await post("/vendor/licences", { order: order.id });
  const file = (await api(page, "GET", `/vendor/licences/${issued.licence?.id ?? issued.id}`)).body.file;
  const taken = await api(page, "POST", "/licence", { file });
  check(taken.status < 300, `licence: ${JSON.stringify(taken.body)}`);
  for (const path of ["/settings/licence", "/vendor", "/vendor?tab=orders", "/vendor?tab=licences", "/vendor?tab=ledger", "/"]) {
    await visit(page, path);
    await harmless(page, path);
  }
  await visit(page, "/settings/licence");
  check((await text(page)).includes(EVILS[0]), "the licensee is not shown as it is");
  await shot(page, "91-strange-licence-ja");
  await visit(page, "/vendor");
  await page.click(`text=${EVILS[0]} >> nth=0`);
  await page.locator("tr", { hasText: "evil@example.jp" }).getByRole("button").first().click();
  await page.waitForSelector("dialog form");
  await harmless(page, "the customer's form");
});

/** Each thing with a revision: where it is edited, its first text field, how somebody else changes it. */
const edited = async (page) => {
  const get = async (path) => (await api(page, "GET", path)).body;
  const first = async (path) => (await get(path)).items[0];
  const group = (await get("/groups")).items[0];
  const org = (await get("/orgs")).items[0];
  const customer = (await get("/vendor/customers?limit=50")).items.find((c) => c.mail === "meets@example.jp");
  const user = await api(page, "POST", "/users", { login: "stale@example.jp", name: "Stale", role: "viewer", password: "harbour-lamp-first-99" });
  const store = await api(page, "POST", "/backup-stores", { name: "409 用", type: "folder", settings: { via: "local", folder: config.out + "/elsewhere", passphrase: config.filePassword } });
  const button = (name) => `.head .actions button:has-text('${name}'), .panel-side button:has-text('${name}')`;
  const editButton = button("編集");
  const connector = (screen, path, c) => ({ at: `${screen}/${c.id}`, open: editButton, form: "form.form", path: `${path}/${c.id}`, name: c.name });
  return [
    connector("/cas", "/cas", (await get("/cas")).items.find((c) => c.type === "private")),
    connector("/targets", "/targets", (await get("/targets")).items.find((c) => c.name === "web3")),
    connector("/notify", "/notifiers", await first("/notifiers")),
    connector("/backup-stores", "/backup-stores", store.body),
    { at: `/orgs/${org.id}`, open: editButton, form: "form.form", path: `/orgs/${org.id}`, name: org.name },
    { at: `/settings/groups/${group.id}`, open: editButton, form: "dialog form", path: `/groups/${group.id}`, name: group.name },
    { at: `/settings/users/${user.body.id}`, open: editButton, form: "dialog form", path: `/users/${user.body.id}`, name: "Stale" },
    { at: "/vendor", open: `button[aria-label='編集 ${customer.name}']`, form: "dialog form", path: `/vendor/customers/${customer.id}`, name: customer.name },
    { at: `/certs/${ids["wiki.example.jp"]}`, open: ".menu button:has-text('編集')", menu: true, form: "dialog form", path: `/certs/${ids["wiki.example.jp"]}`, name: "wiki.example.jp" },
  ];
};

test("somebody else was first, wherever something is edited: nothing is overwritten unseen, nothing typed is lost", async () => {
  const page = await open({ lang: "ja" });
  const faults = [];
  const all = await edited(page);
  for (const e of all) {
    try {
      await visit(page, e.at);
      if (e.menu) await page.click("summary:has-text('その他')");
      await page.click(e.open);
      await page.waitForSelector(e.form);
      const field = page.locator(`${e.form} input`).first();
      check((await field.inputValue()) === e.name, `the form begins with ${await field.inputValue()}`);
      const now = (await api(page, "GET", e.path)).body;
      const theirs = await api(page, "PATCH", e.path, { name: e.name + " theirs", revision: now.revision });
      check(theirs.status === 200, `the other change: ${JSON.stringify(theirs.body)}`);
      await page.waitForTimeout(900); // the page hears of it and reads it anew
      await field.fill(e.name + " mine");
      await page.click(`${e.form} button.primary`);
      await proveIfAsked(page, `${e.form} .fault`);
      check((await page.textContent(`${e.form} .fault`)).includes("他の利用者"), "the conflict is not told");
      check((await field.inputValue()) === e.name + " mine", "what was typed is lost");
      check((await api(page, "GET", e.path)).body.name === e.name + " theirs", "it was overwritten unseen");
      if (e === all[0] || e.menu) await axe(page, `conflict at ${e.at}`);
      if (e === all[0]) await shot(page, "92-conflict-ja");
      await page.click(`${e.form} >> text=自分の内容で上書き保存`);
      await page.waitForSelector(`${e.form} .fault`, { state: "detached" });
      for (let i = 0; i < 60 && (await api(page, "GET", e.path)).body.name !== e.name + " mine"; i++) await page.waitForTimeout(200);
      check((await api(page, "GET", e.path)).body.name === e.name + " mine", "saving over it did not save");
    } catch (x) {
      faults.push(`${e.at}: ${String(x.message ?? x).slice(0, 300)}`);
    }
    const last = (await api(page, "GET", e.path)).body;
    await api(page, "PATCH", e.path, { name: e.name, revision: last.revision });
  }
  await api(page, "DELETE", all[3].path);
  await api(page, "DELETE", all[6].path);
  check(faults.length === 0, faults.join("\n "));
});

test("403: what a general user opens by address says what to do and loses nothing", async () => {
  const admin = await open();
  const made = await api(admin, "POST", "/users", { login: "looker@example.jp", name: "見る人", role: "viewer", password: "harbour-lamp-first-99" });
  check(made.status === 201, `user: ${JSON.stringify(made.body)}`);
  const page = await open({ fresh: true, lang: "ja" });
  await signIn(page, "looker@example.jp", "harbour-lamp-first-99", "harbour-lamp-own-2288");
  const faults = [];
  const refused = async (where) => {
    await page.waitForSelector("main .fault, dialog .fault");
    const said = await page.textContent("main .fault, dialog .fault");
    check(said.includes("管理者に依頼"), `${where}: ${said}`);
    check(!(await page.$(".fault button")), `${where}: trying again is offered`);
  };
  for (const [path, fill] of [
    ["/targets/new?type=nginx", "web9"],
    ["/cas/new?type=private", "ca9"],
    ["/orgs/new", "org9"],
    ["/certs/new", "www9.example.jp"],
    ["/audit", null],
    ["/vendor", null],
  ]) {
    try {
      await visit(page, path);
      const field = page.locator("form input, form textarea").first();
      if (fill) await field.fill(fill);
      if (fill && path !== "/certs/new") {
        for (const el of await page.locator("form [required]").all()) if (!(await el.inputValue())) await el.fill("x.example.jp");
        await page.click("form button.primary");
      }
      await refused(path);
      if (fill) check((await field.inputValue()) === fill, `${path}: what was typed is lost`);
    } catch (x) {
      faults.push(String(x.message ?? x).slice(0, 300));
    }
  }
  for (const path of ["/", "/certs", "/targets", "/cas", "/orgs", "/watch", "/notify", `/certs/${ids["www.example.jp"]}`, "/settings/groups"]) {
    await visit(page, path);
    const offered = await page.$$eval("main button:not(.chip), main a.button", (l) => l.map((b) => b.textContent.trim()).filter((x) => /追加|申請|編集|削除|更新$|失効|監視をやめる|登録|取り込む/.test(x)));
    if (offered.length) faults.push(`${path} offers ${offered.join(", ")}`);
  }
  await shot(page, "93-looker-ja");
  await api(admin, "DELETE", `/users/${made.body.id}`);
  check(faults.length === 0, faults.join("\n "));
});

test("keyboard: the palette and the lists without a mouse", async () => {
  const page = await open({ lang: "en" });
  await visit(page, "/");
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog input");
  const at = () => page.evaluate(() => [...document.querySelectorAll("#palette-list [role=option]")].findIndex((o) => o.getAttribute("aria-selected") === "true"));
  check((await at()) === 0, "the first is not chosen");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  check((await at()) === 2, `two down is ${await at()}`);
  await page.keyboard.press("ArrowUp");
  check((await at()) === 1, "up does not go up");
  const active = await page.getAttribute("dialog input", "aria-activedescendant");
  check(active === "palette-1", `a screen reader hears ${active}`);
  await page.keyboard.type("zzzzzz");
  await page.waitForSelector("dialog >> text=Nothing matches.");
  await page.keyboard.press("Enter"); // nothing to open, nothing breaks
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog input:focus");
  await page.keyboard.type("monitor");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/watch");
  await settle(page);
  const row = () => page.evaluate(() => document.activeElement?.closest("tr")?.dataset.i ?? "");
  await page.keyboard.press("j");
  check((await row()) === "0", `j goes to row ${await row()}`);
  await page.keyboard.press("ArrowDown");
  check((await row()) === "1", "the arrow does not go down");
  await page.keyboard.press("k");
  await page.keyboard.press("k");
  check((await row()) === "0", "k leaves the list");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/watch\/\d+$/);
  await page.goBack();
  await settle(page);
  await page.keyboard.press("/");
  check(await page.evaluate(() => document.activeElement?.matches("input[type=search]")), "/ does not lead to the search");
  await page.keyboard.type("j"); // typed, not a step
  check((await page.inputValue("input[type=search]")) === "j", "a letter in the search moves the list");
});

test("rest for the eyes: nothing moves for who asked for it", async () => {
  const moving = async (reduced) => {
    const page = await open({ lang: "en", reducedMotion: reduced ? "reduce" : "no-preference" });
    await page.route("**/api/v1/certs?*", async (r) => {
      await new Promise((done) => setTimeout(done, 2500));
      await r.continue().catch(() => undefined);
    });
    await page.goto(config.url + "/certs");
    await page.waitForSelector(".spin");
    return page.evaluate(() => document.getAnimations().filter((a) => a.playState === "running").length);
  };
  check((await moving(false)) > 0, "the mark of loading stands still for everybody");
  check((await moving(true)) === 0, "something moves");
});

test("reports on paper: the sheet alone, dark on white, heads on every page", async () => {
  const page = await open({ lang: "ja", theme: "dark" });
  for (const which of ["inventory", "expiry", "audit"]) {
    await visit(page, "/report/" + which);
    await page.waitForSelector(".print-table");
    await page.emulateMedia({ media: "print" });
    const seen = await page.evaluate(() => {
      const shown = (s) => [...document.querySelectorAll(s)].some((e) => e.getClientRects().length > 0);
      const table = document.querySelector(".print-table");
      const style = getComputedStyle(table.querySelector("tbody th"));
      return { frame: shown(".top") || shown(".side") || shown(".no-print"), title: shown("h1"), ink: style.color, paper: getComputedStyle(document.body).backgroundColor, head: getComputedStyle(table.tHead).display };
    });
    check(!seen.frame && seen.title, `${which}: what is not the sheet is printed`);
    check(seen.ink === "rgb(0, 0, 0)" && seen.paper === "rgb(255, 255, 255)", `${which}: ${seen.ink} on ${seen.paper}`);
    check(seen.head === "table-header-group", `${which}: the head is not repeated`);
    const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: false });
    writeFileSync(`${config.shots}/95-report-${which}.pdf`, pdf);
    check(pdf.length > 5000 && pdf.includes("/MediaBox [0 0 841"), `${which}: not A4 landscape`);
    await page.emulateMedia({ media: "screen" });
  }
});

test("a roll-out waits for somebody else's word, and for its time", async () => {
  const admin = await open({ lang: "ja" });
  const path = `/certs/${ids["www.example.jp"]}`;
  await visit(admin, path + "?edit=1");
  const form = admin.getByRole("dialog");
  await form.getByLabel("適用の前に承認を求める").check();
  await form.getByLabel("自動適用の時間帯").selectOption({ label: "営業日（祝日を除く平日）" });
  await form.locator("input[type=time]").first().fill("22:00");
  await form.locator("input[type=time]").last().fill("05:00");
  check((await form.innerText()).includes("翌日の時刻です。"), "an end on the next day is not said");
  await axe(admin, "window and approval");
  await shot(admin, "89-window-ja", false);
  await form.getByRole("button", { name: "保存" }).click();
  await form.waitFor({ state: "detached" });
  check((await api(admin, "GET", path)).body.policy.window === "business 22:00-05:00 +09:00", "the time was not kept");
  check((await text(admin)).includes("営業日（祝日を除く平日） 22:00–05:00"), "the page does not say when it is deployed");
  await admin.locator(".head .actions").getByRole("button", { name: "適用", exact: true }).click();
  check((await admin.getByRole("dialog").innerText()).includes("別の担当者の承認が必要です"), "that it will wait is not said before");
  await admin.getByRole("dialog").getByRole("button", { name: "適用" }).click();
  const see = admin.locator("#job, .jobview").getByRole("button", { name: "確認して承認" });
  await see.waitFor({ timeout: 20000 });
  await see.click();
  await admin.waitForSelector("dialog .plan");
  await axe(admin, "approval");
  await shot(admin, "89-approve-ja", false);
  await admin.getByRole("button", { name: "承認する" }).click();
  await admin.waitForSelector("dialog .fault");
  check((await admin.locator("dialog .fault").innerText()).includes("自分で依頼した適用は承認できません"), "who asked may approve");
  const made = await api(admin, "POST", "/users", { login: "second@example.jp", name: "承認者", role: "admin", password: "quiet-river-first-31" });
  check(made.status === 201, `user: ${JSON.stringify(made.body)}`);
  const other = await open({ fresh: true, lang: "en" });
  await signIn(other, "second@example.jp", "quiet-river-first-31", "quiet-river-own-3141");
  await other.locator(".need-list > li", { hasText: "www.example.jp" }).getByRole("link", { name: "Look and approve" }).click();
  await other.locator(".jobview").getByRole("button", { name: "Look and approve" }).click();
  await other.waitForSelector("dialog .plan");
  await other.getByRole("button", { name: "Approve", exact: true }).click();
  await other.waitForSelector(".jobview .state-done", { timeout: 20000 });
  await api(admin, "PATCH", path, { policy: {} });
  await api(admin, "DELETE", `/users/${made.body.id}`);
});

test("Inro itself stands still: first among what needs a person, in words, with the way to look", async () => {
  const page = await open({ lang: "ja" });
  const engine = (await api(page, "GET", "/engine")).body;
  check(engine.tick_at !== null && !engine.problems.some((p) => p.id !== "backup.none"), `it works, and says: ${JSON.stringify(engine.problems)}`);
  const since = new Date(Date.now() - 20 * 60000).toISOString();
  const stopped = { id: "engine.stopped", message: { en: "The worker does not run.", ja: "処理プロセスが停止しています。" }, since };
  await page.route("**/api/v1/engine", (r) => r.fulfill({ json: { ...engine, tick_at: since, problems: [stopped, ...engine.problems] } }));
  await visit(page, "/");
  const first = page.locator(".need-list > li").first();
  const said = await first.innerText();
  check(said.includes("処理プロセスが停止しています。") && said.includes("20 分前"), `first of what needs a person: ${said}`);
  await axe(page, "engine stopped");
  await shot(page, "88-engine-stopped-ja");
  await first.getByRole("link", { name: "システム情報を見る" }).click();
  await page.waitForSelector("#roles");
  check((await text(page)).includes("処理プロセスが停止しています。"), "the system page does not say it");
});

test("a copy has taken over: told without a reload, and a person decides", async () => {
  const page = await open({ lang: "ja" });
  await visit(page, "/certs");
  await control("supersede");
  await page.waitForSelector("text=復元された複製が稼働を引き継いでいます", { timeout: 45000 });
  await page.click("text=内容を確認する");
  await page.waitForSelector("#hold");
  check((await page.textContent("#hold")) === "保留中", "it is told as a restore");
  await axe(page, "superseded");
  await shot(page, "96-superseded-ja");
  await page.click("section:has(#hold) button.primary");
  await page.click("dialog button.danger");
  await proveIfAsked(page, "body:not(:has(#hold))");
  await page.waitForFunction(() => !document.body.innerText.includes("引き継いでいます"));
  check((await api(page, "GET", "/system")).body.hold === null, "still held");
});

test("a restored copy beside the living original changes nothing and says so", async () => {
  const { url } = await control("beside");
  const page = await open({ fresh: true, lang: "ja", url });
  await signIn(page, config.login, PASSWORD);
  const cert = (await api(page, "GET", "/certs?limit=50&q=wiki")).body.items[0];
  const before = cert.not_after;
  const asked = await api(page, "POST", `/certs/${cert.id}/renew`, {});
  check(asked.status === 202, `renew: ${JSON.stringify(asked.body)}`);
  for (let i = 0; i < 100 && (await api(page, "GET", "/system")).body.hold !== "beside"; i++) await page.waitForTimeout(300);
  await visit(page, "/settings/backup");
  await page.waitForSelector("text=このマシンで同じ環境の複製が動いています", { timeout: 30000 });
  await page.waitForSelector("#hold");
  check(!(await page.$("section:has(#hold) button")), "it can be confirmed although the original runs");
  await axe(page, "beside");
  await shot(page, "97-beside-ja");
  check((await api(page, "GET", `/certs/${cert.id}`)).body.not_after === before, "the copy has renewed");
  await control("apart");
});
