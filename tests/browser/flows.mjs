// What a person does when something does not go by itself, walked from the first page to its end.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { api, axe, check, config, control, drop, ids, open, phone, proveIfAsked, settle, shot, signIn, test, text, visit, PASSWORD } from "./kit.mjs";

const post = async (page, path, body) => {
  const a = await api(page, "POST", path, body);
  check(a.status < 300, `${path}: ${JSON.stringify(a.body)}`);
  return a.body;
};

/** Until the API says so. */
async function until(page, path, good, what) {
  let last;
  for (let i = 0; i < 150; i++) {
    last = (await api(page, "GET", path)).body;
    if (good(last)) return last;
    await page.waitForTimeout(200);
  }
  throw new Error(`${what}: ${JSON.stringify(last).slice(0, 400)}`);
}

test("a changed SSH host key: told, compared, accepted by a person, and the roll-out goes on", async () => {
  const page = await open({ lang: "ja" });
  const far = await control("far");
  // A new target: its key is shown by the first test, compared, and registered.
  const target = await post(page, "/targets", { name: "遠隔の Web", type: "nginx", settings: { ...far.settings, host_key: undefined } });
  await visit(page, `/targets/${target.id}?check=1`);
  await page.waitForSelector("#host-key", { timeout: 30000 });
  check((await page.textContent("#host-key")).includes("未登録") && (await text(page)).includes(far.settings.host_key), "a key that is not registered is not offered");
  await shot(page, "99-hostkey-first-ja");
  await page.click("button:has-text('この鍵を登録')");
  await page.check("dialog input[type=checkbox]");
  await page.click("dialog button.danger");
  await page.waitForSelector("section:has(#check) .state-done", { timeout: 30000 });
  const made = await post(page, "/certs", { names: ["far.example.jp"], ca: "社内認証局", request: false });
  await post(page, "/bindings", { cert: "far.example.jp", target: target.name, place: far.place });
  await post(page, `/certs/${made.cert.id}/request`, {});
  await until(page, `/certs/${made.cert.id}`, (c) => c.targets.deployed === 1 && !c.job, "the first deployment");
  const { fingerprint } = await control("rekey");
  await post(page, `/certs/${made.cert.id}/renew`, {});
  await until(page, `/jobs?kind=deploy&subject=cert/${made.cert.id}`, (j) => j.items[0]?.state === "blocked", "the stop");

  // The first page: what happened, why, and the way to the key rather than a retry.
  await visit(page, "/");
  const need = page.locator(".need-list li", { hasText: "far.example.jp" });
  await need.waitFor();
  check((await need.textContent()).includes(fingerprint), "the first page does not say which key was seen");
  check((await need.locator(".need-do").textContent()).trim() === "ホスト鍵を確認", `the button: ${await need.locator(".need-do").textContent()}`);
  await shot(page, "100-hostkey-dashboard-ja");
  const english = await open({ lang: "en", size: phone });
  await visit(english, "/");
  await shot(english, "100-hostkey-dashboard-en-phone");

  // The story of the deployment has the same way.
  const dep = (await api(page, "GET", `/deployments?cert=${made.cert.id}&limit=1`)).body.items[0];
  await visit(page, `/deployments/${dep.id}`);
  await page.waitForSelector(".item-failed a:has-text('ホスト鍵を確認')");
  await shot(page, "101-hostkey-deployment-ja");
  await visit(english, `/deployments/${dep.id}`);
  await shot(english, "101-hostkey-deployment-en-phone");
  await visit(page, "/");
  await need.locator(".need-do a").click();

  // Old and new side by side; nothing is accepted before somebody says that they compared.
  await page.waitForSelector("#host-key");
  const panel = page.locator("section:has(> .panel-head #host-key)");
  const said = await panel.textContent();
  for (const word of [far.settings.host_key, fingerprint, "ssh-keygen -lf", "再構築", "割り込み"]) check(said.includes(word), `not on the target's page: ${word}`);
  await axe(page, "host key");
  await shot(page, "102-hostkey-target-ja");
  await visit(english, `/targets/${target.id}`);
  await english.waitForSelector("#host-key");
  await shot(english, "102-hostkey-target-en-phone");
  await panel.locator("button:has-text('新しい鍵を登録')").click();
  await page.waitForSelector("dialog input[type=checkbox]");
  check(await page.isDisabled("dialog button.danger"), "it can be accepted without comparing");
  check((await page.textContent("dialog")).includes("far.example.jp"), "what will go on is not said");
  await axe(page, "accepting a host key");
  await shot(page, "103-hostkey-accept-ja", false);
  await page.check("dialog input[type=checkbox]");
  await page.click("dialog button.danger");
  await proveIfAsked(page, "section:has(#check) .state-done, section:has(#check) .state-running");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForSelector("section:has(#check) .state-done", { timeout: 30000 });
  await page.waitForSelector("section:has(#host-key-work) .job-line .state-done", { timeout: 30000 });
  check(!(await page.$("#host-key")), "the key is still asked about");
  await page.waitForSelector("section:has(#bindings) .state-failed", { state: "detached" });
  await shot(page, "104-hostkey-accepted-ja");

  // In service there, and in the audit log with both keys.
  await until(page, `/certs/${made.cert.id}`, (c) => c.health === "valid" && c.targets.deployed === 1 && !c.job, "the roll-out");
  const line = (await api(page, "GET", "/audit?q=target.host_key&limit=20")).body.items.find((a) => a.action === "target.host_key");
  check(line?.detail?.before?.host_key === far.settings.host_key && line.detail.after.host_key === fingerprint, `audit: ${JSON.stringify(line)}`);
  await visit(page, "/audit");
  check((await text(page)).includes("ホスト鍵"), "the audit log does not call it by its name");
  await visit(page, "/");
  check(!(await page.locator(".need-list li", { hasText: "far.example.jp" }).count()), "it is still on the first page");
  for (const b of (await api(page, "GET", `/bindings?cert=${made.cert.id}`)).body.items) await api(page, "DELETE", `/bindings/${b.id}`);
  await api(page, "DELETE", `/certs/${made.cert.id}`);
  await api(page, "DELETE", `/targets/${target.id}`);
});

/** The map of causes as the GUI has it. */
async function remedies() {
  const { transformSync } = createRequire(config.web + "/package.json")("esbuild");
  const code = transformSync(readFileSync(config.web + "/src/lib/remedy.ts", "utf8"), { loader: "ts", format: "esm" }).code;
  return import("data:text/javascript," + encodeURIComponent(code));
}

const deep = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? deep(join(dir, e.name)) : /\.[ch]$/.test(e.name) ? [join(dir, e.name)] : []));

// What stopped, at which work -> the one button: its text, where it leads.
const help = [
  ["net.ssh.changed", "deploy", "ホスト鍵を確認", "/targets/7"],
  ["net.ssh.unpinned", "backup", "ホスト鍵を確認", "/backup-stores/9"],
  ["net.ssh.changed", "issue", "ホスト鍵を確認", "/certs/5?edit=1"],
  ["net.ssh.auth", "deploy", "適用先の設定を開く", "/targets/7?edit=1"],
  ["connect.no_secret", "backup", "保存先の設定を開く", "/backup-stores/9?edit=1"],
  ["acme.eab", "issue", "認証局の設定を開く", "/cas/Let's%20Pebble?edit=1"],
  ["job.wildcard_dns", "issue", "証明書の設定を開く", "/certs/5?edit=1"],
  ["files.no_path", "deploy", "適用設定を確認", "/certs/5"],
  ["job.version_refused", "deploy", "証明書を開く", "/certs/5"],
  ["job.deploy_expired", "deploy", "今すぐ更新", null],
  ["licence.ended", "issue", "ライセンスを確認", "/settings/licence"],
  ["files.test", "deploy", "今すぐ再試行", null],
  ["acme.connection", "issue", "今すぐ再試行", null],
];
const stoppedJob = ([id, kind], n) => ({
  id: 9000 + n,
  kind,
  subject: kind === "backup" ? "backup/9" : "cert/5",
  subject_name: `stopped-${n}.example.jp`,
  step: "again",
  state: "blocked",
  activity: null,
  attempts: 1,
  run_at: null,
  error: { code: "remote", blame: "input", id, message: { en: "why", ja: "理由" }, field: null, remote: null, retry_at: null, while: [] },
  progress: kind === "deploy" ? { deployment: 3, version: 4, target: 7 } : null,
  created: "2026-11-26T00:00:00Z",
  updated: "2026-11-26T00:00:00Z",
  finished: null,
});

test("what needs a person has the one button that helps, by its cause", async () => {
  const { ways, remedyOf } = await remedies();
  const source = deep(config.web + "/../src").map((f) => readFileSync(f, "utf8")).join("\n");
  const unknown = Object.keys(ways).filter((id) => !source.includes(`"${id}"`));
  check(unknown.length === 0, `the daemon says none of ${unknown.join(", ")}`);
  for (const [n, [id, kind, , to]] of help.entries()) {
    const got = remedyOf({ id, code: "remote", message: {} }, { job: stoppedJob([id, kind], n), ca: "Let's Pebble" });
    check((got?.to ?? null) === to, `${id} at ${kind} leads to ${got?.to}`);
  }
  // As the first page shows it; of a job alone the CA is not known, so the certificate stands for it.
  const page = await open({ lang: "ja" });
  let part = [];
  await page.route("**/api/v1/jobs?state=blocked*", (r) => r.fulfill({ json: { items: part.map(([h, n]) => stoppedJob(h, n)), next: null } }));
  await page.route("**/api/v1/certs?state=*", (r) => r.fulfill({ json: { items: [], next: null } }));
  const rows = help.map((h, n) => [h, n]);
  for (part of [rows.slice(0, 7), rows.slice(7)]) {
    await visit(page, "/");
    for (const [[id, kind, label, to], n] of part) {
      const button = page.locator(".need-list li", { hasText: `stopped-${n}.example.jp` }).locator(".need-do").locator("a, button");
      const [wanted, where] = id === "acme.eab" ? ["証明書を開く", "/certs/5"] : [label, to];
      check((await button.count()) === 1 && (await button.textContent()).trim() === wanted, `${id} at ${kind} offers ${await button.allTextContents()}`);
      check((await button.getAttribute("href")) === where, `${id} at ${kind} leads to ${await button.getAttribute("href")}`);
    }
    await shot(page, `105-needs-${part[0][1]}-ja`);
  }
  const english = await open({ lang: "en", size: phone });
  await english.route("**/api/v1/jobs?state=blocked*", (r) => r.fulfill({ json: { items: rows.slice(0, 8).map(([h, n]) => stoppedJob(h, n)), next: null } }));
  await visit(english, "/");
  await axe(english, "what needs a person");
  await shot(english, "105-needs-en-phone");
});

test("a roll-out is stopped: the target at work is finished, the rest goes on later, and undo says what happens to what", async () => {
  const page = await open({ lang: "ja" });
  const dir = config.out + "/rollout";
  mkdirSync(dir);
  writeFileSync(dir + "/slow", `#!/bin/sh\nwhile [ -e ${dir}/hold ]; do sleep 0.1; done\n`, { mode: 0o755 });
  const made = await post(page, "/certs", { names: ["stop.example.jp"], ca: "社内認証局", request: false });
  const id = made.cert.id;
  const targets = [];
  for (const [n, name] of ["東京の Web", "大阪の Web（遅い）", "福岡の Web"].entries()) {
    targets.push(await post(page, "/targets", { name, type: "files", settings: { via: "local", reload_command: "/bin/true", test_command: n === 1 ? dir + "/slow" : "/bin/true" } }));
    await post(page, "/bindings", { cert: "stop.example.jp", target: name, place: { cert_path: `${dir}/${n}.crt`, key_path: `${dir}/${n}.key` } });
  }
  await post(page, `/certs/${id}/request`, {});
  await until(page, `/certs/${id}`, (c) => c.targets.deployed === 3 && !c.job, "the first deployment");
  writeFileSync(dir + "/hold", "");
  await post(page, `/certs/${id}/renew`, {});
  const dep = (await until(page, `/deployments?cert=${id}&limit=1`, (d) => d.items[0]?.reason === "renew", "the second deployment")).items[0];
  await until(page, `/deployments/${dep.id}`, (d) => d.items[1].state === "applying", "the slow target");
  const english = await open({ lang: "en", size: phone });

  await visit(page, `/deployments/${dep.id}`);
  await page.waitForSelector("section:has(#job) .state-running");
  await shot(page, "110-rollout-running-ja");
  await page.click(".head button:has-text('適用を中止')");
  await page.waitForSelector("dialog button.danger");
  await axe(page, "stopping a roll-out");
  await shot(page, "111-stop-ask-ja", false);
  await page.click("dialog button.danger");
  await page.waitForSelector("h1 .state-stopping");
  await page.waitForSelector(".note:has-text('大阪の Web（遅い） の処理が終わるのを待っています')");
  check(!(await page.$(".head button:has-text('適用を中止')")), "it can be stopped twice");
  await axe(page, "stopping");
  await shot(page, "112-stopping-ja");
  await visit(english, `/deployments/${dep.id}`);
  await shot(english, "112-stopping-en-phone");
  rmSync(dir + "/hold");
  await page.waitForSelector("h1 .state-stopped", { timeout: 30000 });
  const row = (at, name) => at.locator(".rollout li", { hasText: name });
  for (const [name, has] of [["東京", "新しいバージョン"], ["大阪", "新しいバージョン"], ["福岡", "以前のバージョン"]]) check((await row(page, name).textContent()).includes(has), `${name}: ${await row(page, name).textContent()}`);
  check((await page.textContent(".head .lead")).includes("1 件は中止により未着手"), `the story: ${await page.textContent(".head .lead")}`);
  await axe(page, "stopped");
  await shot(page, "113-stopped-ja");
  await visit(english, `/deployments/${dep.id}`);
  await english.waitForSelector("h1 .state-stopped");
  await shot(english, "113-stopped-en-phone");

  // Undo: what happens to what, before anything does.
  await page.click(".head button:has-text('直前の適用を取り消す')");
  await page.waitForSelector("dialog ol li");
  const lines = await page.locator("dialog ol li").allTextContents();
  check(lines.length === 3 && /#\d+ → #\d+/.test(lines[0]) && /#\d+ → #\d+/.test(lines[1]) && lines[2].includes("変更なし"), `undo says: ${lines.join(" / ")}`);
  await axe(page, "what an undo does");
  await shot(page, "114-undo-list-ja", false);
  await page.keyboard.press("Escape");
  await english.click(".head button:has-text('Undo the last')");
  await english.waitForSelector("dialog ol li");
  await shot(english, "114-undo-list-en-phone", false);

  // The rest goes on, and then all of it is put back.
  await page.click(".head button:has-text('残りに適用')");
  await page.waitForSelector("dialog li:has-text('福岡')");
  check(!(await page.textContent("dialog")).includes("東京"), "what has it already is named");
  await shot(page, "115-resume-ja", false);
  await page.click("dialog button.primary");
  await page.waitForURL((u) => u.pathname.startsWith("/deployments/") && u.pathname !== `/deployments/${dep.id}`, { timeout: 30000 });
  await page.waitForSelector("h1 .state-done", { timeout: 30000 });
  await shot(page, "116-resumed-ja");
  const newest = (await until(page, `/deployments?cert=${id}&limit=1`, (d) => d.items[0].state === "done", "the rest")).items[0];
  check(readFileSync(dir + "/2.crt", "utf8") === readFileSync(dir + "/0.crt", "utf8"), "the last target has another certificate");
  await visit(page, `/deployments/${newest.id}`);
  check(!(await page.$(".head button:has-text('残りに適用')")), "there is nothing to go on with");
  await visit(page, `/certs/${id}`);
  await page.click("summary:has-text('その他')");
  await page.click(".menu >> text=直前の適用を取り消す");
  await page.waitForSelector("dialog ol li");
  check((await page.locator("dialog ol li").allTextContents()).every((x) => /#\d+ → #\d+/.test(x)), "the undo of all does not say so");
  await page.click("dialog button.danger");
  await page.waitForSelector("section:has(#job) .job-line .state-done", { timeout: 30000 });
  await until(page, `/deployments?cert=${id}&limit=1`, (d) => d.items[0].state === "undone", "the undo");
  await shot(page, "117-undone-ja");
  for (const b of (await api(page, "GET", `/bindings?cert=${id}`)).body.items) await api(page, "DELETE", `/bindings/${b.id}`);
  await api(page, "DELETE", `/certs/${id}`);
  for (const x of targets) await api(page, "DELETE", `/targets/${x.id}`);
});

/** Files of the fleet, as a person drops them. */
const dropNamed = (page, ...names) => drop(page, ...names.map((n) => `${config.files}/${n}`));

test("import: what is missing or wrong is said, put right, and nothing typed is lost", async () => {
  const page = await open({ lang: "ja" });
  const says = (word, at = page) => at.waitForSelector(`.checks li:has-text('${word}')`);
  const field = page.getByLabel("管理名");
  // A key alone, then its certificate; the intermediate is missing, and named.
  await visit(page, "/certs/import");
  await dropNamed(page, "chained.key");
  await page.waitForSelector(".note:has-text('証明書がありません')");
  await shot(page, "120-import-key-only-ja");
  await dropNamed(page, "chained.crt");
  await says("中間証明書「Chained Middle CA」がありません");
  await says("証明書と対応しています");
  await axe(page, "import without a chain");
  await shot(page, "121-import-no-chain-ja");
  const english = await open({ lang: "en", size: phone });
  await visit(english, "/certs/import");
  await dropNamed(english, "chained.key", "chained.crt");
  await says("Missing: the intermediate certificate", english);
  await shot(english, "121-import-no-chain-en-phone");
  await field.fill("手で付けた名前");
  await dropNamed(page, "middle.crt");
  await says("中間証明書：1 件");
  check((await field.inputValue()) === "手で付けた名前", "adding the intermediate lost the name");
  // Another's key: said before the import, which waits until it is taken out.
  await page.click("button[aria-label='chained.key を外す']");
  await says("秘密鍵がありません");
  await dropNamed(page, "late.key");
  await says("別の証明書のもの");
  check(await page.isDisabled(".panel button.primary"), "a wrong key can be imported");
  await axe(page, "import with a wrong key");
  await shot(page, "122-import-wrong-key-ja");
  await page.click("button[aria-label='late.key を外す']");
  // The right one under a password: wrong, then right.
  await dropNamed(page, "locked.key");
  await says("パスワードで保護");
  await page.fill(".panel input[type=password]", "not the password");
  await page.click("button:has-text('鍵を確認')");
  await page.waitForSelector(".panel .field-fault");
  await says("パスワードで保護");
  check((await field.inputValue()) === "手で付けた名前", "a wrong password lost the name");
  await axe(page, "a locked key");
  await shot(page, "123-import-locked-ja");
  await page.fill(".panel input[type=password]", config.filePassword);
  await page.click("button:has-text('鍵を確認')");
  await says("証明書と対応しています");
  await shot(page, "124-import-unlocked-ja");
  await page.click(".panel button.primary");
  await page.waitForURL(/\/certs\/\d+$/);
  await settle(page);
  const id = new URL(page.url()).pathname.slice(7);
  const made = (await api(page, "GET", `/certs/${id}`)).body;
  check(made.name === "手で付けた名前" && made.versions[0].has_key, `imported: ${JSON.stringify(made).slice(0, 300)}`);
  // Wrong order and the root with it: put right; and it is here already.
  await visit(page, "/certs/import");
  await dropNamed(page, "turned.pem");
  await says("サーバー証明書：chained.example.jp");
  await page.waitForSelector(".note:has-text('登録済み') a");
  check(!(await page.$(".panel button.primary")), "what is here already can be imported again");
  await axe(page, "import of a known one");
  await shot(page, "125-import-known-ja");
  await visit(page, "/certs/import");
  await dropNamed(page, "late.crt", "late.key", "middle.crt");
  await says("有効期限が切れています");
  await shot(page, "126-import-expired-ja");
  await api(page, "DELETE", `/certs/${id}`);
});

test("somebody else was first with a contact and with an endpoint: told, nothing lost, nothing overwritten unseen", async () => {
  const page = await open({ lang: "ja" });
  const org = (await api(page, "GET", "/orgs?limit=10")).body.items.find((o) => o.name === "本社");
  const contact = org.contacts[0];
  const end = (await api(page, "GET", `/endpoints/${ids.endpoint}`)).body;
  // Where it is edited, what is typed, what somebody else does meanwhile, and what then stands in the store.
  const cases = [
    {
      at: `/orgs/${org.id}`,
      open: `button[aria-label='編集 ${contact.details.name}']`,
      field: "電話番号",
      typed: "03-1111-1111",
      theirs: () => api(page, "PATCH", `/orgs/${org.id}/contacts/${contact.id}`, { details: { ...contact.details, title_ja: "部長" } }),
      stored: async () => (await api(page, "GET", `/orgs/${org.id}`)).body.contacts[0].details,
      kept: (now) => now.title_ja === "部長" && now.phone === contact.details.phone,
      mine: (now) => now.phone === "03-1111-1111",
      back: () => api(page, "PATCH", `/orgs/${org.id}/contacts/${contact.id}`, { details: contact.details }),
    },
    {
      at: `/watch/${end.id}`,
      open: ".head .actions button:has-text('編集')",
      field: "確認間隔",
      typed: "3h",
      theirs: () => api(page, "PATCH", `/endpoints/${end.id}`, { every: "2h" }),
      stored: async () => (await api(page, "GET", `/endpoints/${end.id}`)).body,
      kept: (now) => now.every === 7200,
      mine: (now) => now.every === 10800,
      back: () => api(page, "PATCH", `/endpoints/${end.id}`, { every: `${end.every}s` }),
    },
  ];
  for (const [n, c] of cases.entries()) {
    await visit(page, c.at);
    await page.click(c.open);
    const field = page.locator("dialog form").getByLabel(c.field);
    await field.fill(c.typed);
    const theirs = await c.theirs();
    check(theirs.status === 200, `${c.at}, the other change: ${JSON.stringify(theirs.body)}`);
    await page.waitForTimeout(900); // the page hears of it and reads it anew
    check((await field.inputValue()) === c.typed, `${c.at}: news of the other change lost what was typed`);
    await page.click("dialog form button.primary");
    await page.waitForSelector("dialog form .fault");
    check((await page.textContent("dialog form .fault")).includes("他の利用者"), `${c.at}: the conflict is not told`);
    check((await field.inputValue()) === c.typed, `${c.at}: what was typed is lost`);
    check(c.kept(await c.stored()), `${c.at}: it was overwritten unseen`);
    await axe(page, `conflict at ${c.at}`);
    await shot(page, `130-conflict-${n}-ja`, false);
    await page.click("dialog form >> text=自分の内容で上書き保存");
    await page.waitForSelector("dialog", { state: "detached" });
    check(c.mine(await c.stored()), `${c.at}: saving over it did not save`);
    await c.back();
  }
  // Gone meanwhile: said, and what was typed can still be read.
  const added = await post(page, `/orgs/${org.id}/contacts`, { details: { ...contact.details, name: "Jiro Sato", name_ja: "佐藤 次郎", mail: "jiro@example.jp" } });
  const jiro = (added.contacts ?? (await api(page, "GET", `/orgs/${org.id}`)).body.contacts).find((c) => c.details.name === "Jiro Sato");
  await visit(page, `/orgs/${org.id}`);
  await page.click("button[aria-label='編集 Jiro Sato']");
  await page.locator("dialog form").getByLabel("電話番号").fill("03-2222-2222");
  await api(page, "DELETE", `/orgs/${org.id}/contacts/${jiro.id}`);
  await page.click("dialog form button.primary");
  await page.click("dialog form >> text=自分の内容で上書き保存");
  await page.waitForSelector("dialog form .fault:not(:has-text('他の利用者'))");
  check((await page.locator("dialog form").getByLabel("電話番号").inputValue()) === "03-2222-2222", "a contact that is gone takes what was typed along");
  await shot(page, "131-contact-gone-ja", false);
});

test("apply: forty names pasted, back and forth, a reload and a lost server: nothing typed is lost", async () => {
  const page = await open({ lang: "ja" });
  const list = Array.from({ length: 38 }, (_, n) => `list${n}.example.jp`);
  const typed = ["WWW.Example.jp", "www.example.jp", "日本語8.example.jp", ...list, "list3.example.jp", "*.wide.example.jp"].join(",\n") + ",";
  const next = async () => {
    await page.waitForFunction(() => !document.querySelector("form.wizard .actions button.primary").disabled);
    await page.click("form.wizard .actions button.primary");
  };
  await visit(page, "/certs/new");
  await page.fill("textarea", typed);
  // What it comes to: how many, which twice, what an IDN becomes, what is covered already, whose name is taken.
  await page.waitForSelector(".note:has-text('xn--')");
  const said = await text(page);
  for (const word of ["41 件のドメイン名", "重複 2 件", "*.example.jp は", "www.example.jp →", "「www.example.jp」は別の証明書の管理名です"]) check(said.includes(word), `not said: ${word}`);
  check(await page.isDisabled("form.wizard .actions button.primary"), "a name that is taken leads to the next step");
  await axe(page, "forty names");
  await shot(page, "140-wizard-forty-ja");
  const english = await open({ lang: "en", size: phone });
  await visit(english, "/certs/new");
  await english.fill("textarea", typed);
  await english.waitForSelector(".note:has-text('xn--')");
  await shot(english, "140-wizard-forty-en-phone");
  await page.getByLabel("管理名").fill("四十の名前");
  await next();
  // A wildcard at a CA that asks for proof: said where it is chosen, and there is a way on.
  await page.click("text=Let's Pebble");
  await page.click("form.wizard .actions button.primary");
  await page.waitForSelector(".fault:has-text('ワイルドカード')");
  check(await page.isDisabled("form.wizard .actions button.primary"), "a wildcard without DNS leads on");
  await axe(page, "a wildcard without DNS");
  await shot(page, "141-wizard-wildcard-ja");
  // Back by the browser's own button, and by ours.
  await page.goBack();
  await page.waitForSelector("h2:has-text('2.')");
  await page.click("text=社内認証局");
  await next();
  await next();
  await page.selectOption("form.wizard select", "ec384");
  await page.click("form.wizard .actions button:has-text('戻る')");
  await next();
  check((await page.inputValue("form.wizard select")) === "ec384", "going back lost the key");
  await next();
  await page.click("text=適用先を追加");
  await page.selectOption("select", "web1");
  const paths = page.locator(".place input");
  await paths.nth(0).fill("not an absolute path");
  await paths.nth(1).fill(`${config.out}/web1/tls/forty.key`);
  await page.reload();
  await settle(page);
  await page.waitForSelector("h2:has-text('5.')");
  check((await paths.nth(0).inputValue()) === "not an absolute path", "a reload lost the place");
  await next();
  // The server goes away and comes back: what stands here is judged anew, without a key pressed.
  await control("stop");
  await page.waitForSelector(".banner", { timeout: 30000 }).catch(async (x) => {
    await control("start");
    throw x;
  });
  await shot(page, "142-wizard-lost-ja").finally(() => control("start"));
  await page.waitForSelector(".banner", { state: "detached", timeout: 30000 });
  await page.waitForSelector("form.wizard .actions button.primary:not([disabled])", { timeout: 30000 });
  // The answer to the registration is lost on its way: said, and sent again it is done once.
  let lost = 0;
  await page.route("**/api/v1/certs", async (r) => {
    if (r.request().method() !== "POST" || lost++) return r.continue();
    await r.fetch();
    return r.abort();
  });
  await page.click("form.wizard .actions button.primary");
  await page.waitForSelector("form.wizard .fault:has-text('接続できません')");
  // The place is refused where it stands; registering is not done twice.
  await page.waitForSelector("form.wizard .actions button.primary:not([disabled])");
  await page.click("form.wizard .actions button.primary");
  await page.waitForSelector(".place .fault", { timeout: 30000 });
  await axe(page, "a refused place");
  await shot(page, "143-wizard-place-ja");
  await paths.nth(0).fill(`${config.out}/web1/tls/forty.crt`);
  await next();
  await shot(page, "144-wizard-review-ja");
  await next();
  await page.waitForSelector("section:has(#deploy) .job-line .state-done", { timeout: 30000 });
  const all = (await api(page, "GET", `/certs?q=${encodeURIComponent("四十の名前")}&limit=10`)).body.items;
  check(all.length === 1 && all[0].names.length === 41 && all[0].targets.deployed === 1, `registered: ${JSON.stringify(all).slice(0, 300)}`);
  for (const b of (await api(page, "GET", `/bindings?cert=${all[0].id}`)).body.items) await api(page, "DELETE", `/bindings/${b.id}`);
  await api(page, "DELETE", `/certs/${all[0].id}`);
});

test("the guide leads from nothing to a certificate that is served", async () => {
  const world = await control("empty");
  const page = await open({ fresh: true, lang: "ja", url: world.url });
  await signIn(page, world.login, world.password, PASSWORD);
  await page.click("a.button:has-text('はじめる')");
  const begin = async (n, title) => {
    const step = page.locator("ol.guide > li").nth(n);
    await page.waitForSelector(`ol.guide > li.now h2:has-text('${title}')`);
    await step.locator("a.button.primary").click();
  };
  const back = async () => page.click(".guide-bar a:has-text('手順に戻る')");
  const save = async (until) => {
    await page.click("form.form button.primary");
    await proveIfAsked(page, until);
  };
  await settle(page);
  await axe(page, "the guide");
  await shot(page, "150-guide-ja");
  await begin(0, "認証局を追加する");
  await page.click(".choice:has-text('ACME')");
  await page.getByLabel("名前").first().fill("Let's Pebble");
  await page.getByLabel(/^ディレクトリURL|^ディレクトリ URL|^ディレクトリ(?!の)/).first().fill(world.directory);
  for (const fold of await page.locator("form details:not([open]) summary").all()) await fold.click();
  await page.getByLabel(/ルート/).first().fill(world.roots);
  await shot(page, "151-guide-ca-ja");
  await save("section:has(#check) .state-done");
  await page.waitForSelector(".guide-bar:has-text('通知先を設定する')"); // it knows that the first is done
  await axe(page, "a CA by the guide");
  await shot(page, "152-guide-ca-made-ja");
  await back();
  await begin(1, "通知先を設定する");
  await page.waitForSelector("form.form");
  await page.getByLabel("名前").first().fill("担当者");
  await page.getByLabel(/^メールサーバー/).fill("127.0.0.1");
  await page.getByLabel(/^ポート/).fill(String(world.mail.port));
  await page.getByLabel(/^ユーザー名/).fill(world.mail.user);
  await page.locator("form input[type=password]").fill(world.mail.password);
  await page.getByLabel(/^差出人/).fill("inro@example.jp");
  await page.getByLabel(/^宛先/).fill("ops@example.jp");
  for (const fold of await page.locator("form details:not([open]) summary").all()) await fold.click();
  await page.getByLabel(/^追加の信頼ルート/).fill(world.mail.roots);
  await save("section:has(#check) .state-done");
  await page.click("button:has-text('テスト通知を送る')");
  await page.waitForSelector("text=テスト通知を送信しました", { timeout: 30000 });
  await back();
  await begin(2, "適用先を追加する");
  await page.click(".choice:has-text('nginx')");
  await page.getByLabel("名前").first().fill("web");
  for (const fold of await page.locator("form details:not([open]) summary").all()) await fold.click();
  await page.getByLabel(/^検査コマンド/).fill(world.web.test);
  await page.getByLabel(/^再読み込みコマンド/).fill(world.web.reload);
  await save("section:has(#check) .state-done");
  await back();
  await begin(3, "証明書を申請する");
  const next = async () => {
    await page.waitForFunction(() => !document.querySelector("form.wizard .actions button.primary").disabled, null, { timeout: 30000 });
    await page.click("form.wizard .actions button.primary");
  };
  await page.fill("textarea", "guide.example.jp");
  await next();
  await page.click("text=Let's Pebble");
  for (let i = 0; i < 3; i++) await next();
  await page.click("text=適用先を追加 >> nth=-1");
  await page.selectOption("form.wizard select", "web");
  const place = page.locator(".place input");
  await place.nth(0).fill(world.web.crt);
  await place.nth(1).fill(world.web.key);
  await page.getByLabel(/^確認先/).fill(`127.0.0.1:${world.web.port}`);
  await next();
  await next();
  await page.waitForSelector("section:has(#deploy) .job-line .state-done", { timeout: 30000 });
  await shot(page, "153-guide-deployed-ja");
  await page.setViewportSize(phone);
  await shot(page, "153-guide-deployed-ja-phone");
  await page.setViewportSize({ width: 1280, height: 800 });
  await back();
  await begin(5, "外側から監視する");
  await page.locator("dialog input").first().fill(`127.0.0.1:${world.web.port}`);
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.goto(page.base + "/guide");
  await page.waitForSelector("text=すべて完了しました");
  check((await page.$$("ol.guide > li.done")).length === 6, "a step is not seen as done");
  await shot(page, "154-guide-done-ja");
  await visit(page, "/");
  check(!(await page.$(".guide-bar")), "the guide goes on although all is done");
  const certs = (await api(page, "GET", "/certs?limit=5")).body.items;
  check(certs.length === 1 && certs[0].health === "valid" && certs[0].targets.deployed === 1, `in the end: ${JSON.stringify(certs).slice(0, 300)}`);
  await control("full");
});
