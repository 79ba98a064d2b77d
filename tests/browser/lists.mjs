// The list screens: what is typed is found by the server, states narrow, a view is the person's in
// every browser, and CSV holds what the list shows.
import { readFileSync } from "node:fs";
import { api, axe, check, open, phone, shot, test, text, visit } from "./kit.mjs";

/** The names in the list, once it shows `n` rows. */
async function rows(page, n) {
  await page.waitForFunction((n) => document.querySelectorAll("tbody tr[data-i]").length === n, n, { timeout: 30000 });
  return page.$$eval("tbody tr[data-i] th[scope=row] a", (all) => all.map((a) => a.textContent));
}

async function csvOf(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(".viewbar >> text=CSV 出力")]);
  return readFileSync(await file.path(), "utf8").trim().split("\r\n");
}

async function keepView(page, name) {
  await page.click(".viewbar >> text=この表示を保存");
  await page.fill("dialog input", name);
  await page.click("dialog button.primary");
  await page.waitForSelector(`.view >> text=${name}`);
}

/** Somebody at another computer, signed in as the same person. */
async function elsewhere(path, name, search) {
  const other = await open({ lang: "ja" });
  await visit(other, path);
  await other.click(`.view >> text=${name}`);
  await other.waitForFunction((s) => location.search === s, search);
  return other;
}

test("targets: found by the server, by state, kept as a view, exported", async () => {
  const page = await open({ lang: "ja" });
  await visit(page, "/targets");
  const all = (await api(page, "GET", "/targets?limit=500")).body.items;
  const names = await rows(page, all.length);
  check(names.includes("web1") && names.join() === [...names].sort().join(), `not by name: ${names}`);
  const asked = page.waitForResponse((r) => r.url().includes("/targets?") && r.url().includes("q=WEB2"));
  await page.fill("input[type=search]", "WEB2");
  await asked;
  check((await rows(page, 1))[0] === "web2", "web2 is not found");
  await page.fill("input[type=search]", "");
  await page.click(".chip >> text=失敗");
  const failed = all.filter((c) => c.applied === "failed").length;
  check(failed > 0 && (await rows(page, failed)).includes("web3"), "the failed one is not among the failed");
  check((await text(page)).includes("失敗"), "the state is not told");
  await keepView(page, "失敗した適用先");
  await shot(page, "76-targets-view-ja");
  const other = await elsewhere("/targets", "失敗した適用先", "?state=failed");
  await rows(other, failed);
  await visit(other, "/certs"); // each list has its own
  check(!(await text(other)).includes("失敗した適用先"), "the view of one list is shown at another");
  const lines = await csvOf(page);
  check(lines.length === failed + 1 && lines[1].startsWith("web3,"), `CSV: ${lines.join(" / ")}`);
  const trap = await api(page, "POST", "/targets", { name: "=1+1|x", type: "files", settings: { via: "local" } });
  check(trap.status === 201, JSON.stringify(trap.body));
  await visit(page, "/targets?q=%3D1%2B1");
  await rows(page, 1);
  check((await csvOf(page))[1].startsWith("'=1+1"), "a spreadsheet would run the name of a target");
  await api(page, "DELETE", `/targets/${trap.body.id}`);
  await visit(page, "/targets?state=failed");
  await page.click("button[aria-label='表示「失敗した適用先」を削除']");
  await page.waitForFunction(() => !document.querySelector(".viewbar").textContent.includes("失敗した適用先"));
  await visit(page, "/targets");
  await page.click("th >> text=名前"); // downwards
  await page.waitForFunction((last) => document.querySelector("tbody tr[data-i] th a")?.textContent === last, names.at(-1), { timeout: 30000 });
});

test("a target's page: what is there, until when, and what was deployed; on a phone too", async () => {
  const page = await open({ lang: "ja" });
  const web1 = (await api(page, "GET", "/targets?q=web1")).body.items[0];
  await visit(page, `/targets/${web1.id}`);
  await page.waitForSelector("section:has(#bindings) tbody tr[data-i]");
  const said = await page.textContent("section:has(#bindings)");
  check(said.includes("www.example.jp") && said.includes("適用済み") && /20\d\d年/.test(said), `what is there: ${said}`);
  check(said.includes("/web1/"), "the place is not told");
  check((await page.textContent("section:has(#history)")).includes("www.example.jp"), "no history");
  check((await page.textContent("section:has(#watched)")).includes("127.0.0.1"), "what watches it is not told");
  await page.click("section:has(#history) >> text=一覧で見る");
  await page.waitForFunction(() => location.pathname === "/deployments" && location.search === "?target=web1");
  await page.waitForSelector(".chip[aria-pressed=true] >> text=web1");
  const small = await open({ lang: "en", size: phone });
  const made = await api(page, "POST", "/targets", { name: "空の適用先", type: "files", settings: { via: "local" } });
  check(made.status === 201, JSON.stringify(made.body));
  await visit(small, `/targets/${made.body.id}`);
  await small.waitForSelector("section:has(#bindings) .empty");
  await axe(small, "a target without certificates");
  await shot(small, "77-target-empty-en-phone");
  await small.click("section:has(#bindings) .empty >> text=Add a binding");
  await small.waitForSelector("dialog form");
  await api(page, "DELETE", `/targets/${made.body.id}`);
});

test("deployments, applications and work: by state and by name, kept as views", async () => {
  const page = await open({ lang: "ja" });
  await visit(page, "/deployments");
  const count = async (path) => (await api(page, "GET", path)).body.items.length;
  await page.fill("input[type=search]", "web3");
  await rows(page, await count("/deployments?q=web3&limit=60"));
  check((await page.textContent("tbody")).includes("intra.example.jp"), "the deployment at web3 is not found by its target");
  await page.click(".chip >> text=完了");
  await page.waitForSelector("text=該当するものはありません");
  await visit(page, "/deployments?state=done");
  const done = await count("/deployments?state=done&limit=60");
  check(done > 0, "nothing was deployed");
  await rows(page, done);
  check(/\d \/ \d/.test(await page.textContent("tbody")), "how many targets were reached is not told");
  await keepView(page, "完了した適用");
  await elsewhere("/deployments", "完了した適用", "?state=done");
  check((await csvOf(page)).length === (await count("/deployments?state=done&limit=500")) + 1, "CSV of deployments");
  await visit(page, "/orders?tab=orders");
  await page.fill("input[type=search]", "wiki");
  await rows(page, await count("/orders?q=wiki&limit=60"));
  check((await page.textContent("tbody")).includes("wiki.example.jp"), "the application is not found");
  await keepView(page, "社内の申請");
  await elsewhere("/orders", "社内の申請", "?tab=orders&q=wiki");
  await page.click(".tabs >> text=すべての処理");
  await page.waitForFunction(() => location.search.includes("tab=jobs") && location.search.includes("q=wiki"));
  await page.click(".chip >> text=失敗");
  await page.waitForSelector("text=該当するものはありません");
  for (const [path, name] of [["/watch?state=drift", "不一致の監視対象"], ["/audit?q=web3", "適用先の記録"]]) {
    await visit(page, path);
    await keepView(page, name);
    await elsewhere(path.split("?")[0], name, "?" + path.split("?")[1]);
  }
  for (const v of (await api(page, "GET", "/views")).body.items) if (["完了した適用", "社内の申請", "不一致の監視対象", "適用先の記録"].includes(v.name)) await api(page, "DELETE", `/views/${v.id}`);
});
