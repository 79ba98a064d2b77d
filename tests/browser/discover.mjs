// Discovery and adoption: pasted, followed live, taken under watch and management with a plan; and what
// helps at an endpoint that serves another certificate.
import { api, axe, check, config, control, ids, open, phone, settle, shot, test, text, visit } from "./kit.mjs";

const row = (page, host) => page.locator("tbody tr", { hasText: host });
const pick = (page, host) => row(page, host).locator("input[type=checkbox]").check();

let ground, found;

test("discovery: pasted, wrong lines told, followed to its end, hostile names stay text", async () => {
  const page = await open({ lang: "ja" });
  ground = await control("ground");
  await visit(page, "/watch");
  await page.click(".head a:has-text('探索')");
  await page.waitForURL("**/watch/discover");
  await settle(page);
  check((await text(page)).includes("探索の履歴はまだありません"), "the empty list does not teach");
  await axe(page, "discovery, empty");
  await shot(page, "140-discover-empty-ja");
  await page.fill("textarea", "127.0.0.21\n10.0.0.0/8");
  await page.click("button:has-text('探索を開始')");
  await page.waitForSelector(".form .fault");
  check((await page.textContent(".form .fault")).includes("2 行目"), "the wrong line is not told");
  check((await page.inputValue("textarea")).startsWith("127.0.0.21"), "what was typed is lost");
  await axe(page, "discovery, refused");
  await page.fill("textarea", "# 検証用\n127.0.0.21-40\n127.0.0.21");
  await page.getByLabel("ポート").fill(String(ground.port));
  await page.click("button:has-text('探索を開始')");
  await page.waitForURL(/\/watch\/discover\/\d+$/);
  found = Number(/\d+$/.exec(page.url())[0]);
  await page.waitForSelector(".head .state-done", { timeout: 60000 });
  await row(page, "127.0.0.24").waitFor();
  check((await page.locator("tbody tr").count()) === 4, "not the four that serve one");
  check((await page.textContent(".discovering")).includes("20 件中 20 件"), "not all are counted");
  check((await row(page, "127.0.0.21").textContent()).includes("未管理"), "the new one");
  check((await row(page, "127.0.0.23").textContent()).includes("管理中"), "the held one");
  check((await row(page, "127.0.0.22").textContent()).includes(config.evil), "the hostile name is not shown as text");
  check(!(await page.evaluate(() => window.__hit)), "a served name was run");
  await axe(page, "discovery");
  await shot(page, "141-discover-ja");
  await page.click(".chip:has-text('応答なし')");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 16);
  await page.fill("input[type=search]", "127.0.0.3");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 10);
  for (const [n, o] of Object.entries({ "en-dark": { lang: "en", theme: "dark" }, "ja-phone": { lang: "ja", size: phone }, "en-phone-dark": { lang: "en", theme: "dark", size: phone } })) {
    const other = await open(o);
    await visit(other, `/watch/discover/${found}`);
    await other.waitForSelector("tbody tr");
    await axe(other, `discovery ${n}`);
    check(await other.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `${n}: the page is wider than the screen`);
    await shot(other, `141-discover-${n}`);
    await visit(other, "/watch/discover");
    await axe(other, `discoveries ${n}`);
    await shot(other, `142-discoveries-${n}`);
  }
});

test("adoption: the plan says what is done, then it is, and what is next", async () => {
  const page = await open({ lang: "ja" });
  await visit(page, `/watch/discover/${found}`);
  await row(page, "127.0.0.24").waitFor();
  const before = (await api(page, "GET", "/endpoints?limit=500")).body.items.length;
  for (const n of [21, 23, 24]) await pick(page, `127.0.0.${n}`);
  await page.click(".bulk button:has-text('管理に加える')");
  await page.waitForSelector("dialog .lines li");
  const plan = await page.textContent("dialog");
  check(plan.includes("監視対象 3 件を追加、証明書 1 件を登録、2 件は同じ証明書"), `the plan: ${plan}`);
  check((await api(page, "GET", "/endpoints?limit=500")).body.items.length === before, "the plan has done it");
  await axe(page, "adoption plan");
  await shot(page, "143-adopt-plan-ja", false);
  await page.click("dialog button.primary");
  await page.waitForSelector("dialog >> text=次に行うこと");
  await axe(page, "adopted");
  await shot(page, "144-adopted-ja", false);
  await page.click("dialog a:has-text('認証局を選ぶ')");
  await page.waitForSelector("dialog form");
  check(/\/certs\/\d+\?edit=1$/.test(page.url()), `not the way to a CA: ${page.url()}`);
  const ends = (await api(page, "GET", "/endpoints?limit=500")).body.items.filter((e) => e.port === ground.port);
  check(ends.length === 3 && ends.find((e) => e.host === "127.0.0.23").cert_name === "www.example.jp", JSON.stringify(ends));
  // Again: nothing is taken twice.
  await visit(page, `/watch/discover/${found}`);
  await row(page, "127.0.0.24").waitFor();
  check((await row(page, "127.0.0.21").textContent()).includes("監視中"), "that it is watched is not told");
  await pick(page, "127.0.0.21");
  await page.click(".bulk button:has-text('監視に追加')");
  await page.waitForSelector("dialog >> text=対象外");
  check(await page.isDisabled("dialog button.primary"), "nothing can be done, and the button works");
  await page.keyboard.press("Escape");
});

test("one endpoint: managed from its page; where another is served, the held one is deployed again", async () => {
  const page = await open({ lang: "ja" });
  const made = (await api(page, "POST", "/endpoints", { host: "127.0.0.22", port: ground.port })).body;
  const seen = async (id, good) => {
    for (let i = 0; i < 150; i++) {
      const e = (await api(page, "GET", `/endpoints/${id}`)).body;
      if (good(e)) return e;
      await page.waitForTimeout(200);
    }
    throw new Error(`endpoint ${id} is not as it should be`);
  };
  await seen(made.id, (e) => e.seen_at);
  await visit(page, `/watch/${made.id}`);
  await page.click(".head button:has-text('管理に加える')");
  await page.waitForSelector("dialog form");
  await axe(page, "adopting one");
  await shot(page, "145-adopt-one-ja", false);
  await page.click("dialog button.primary");
  await page.waitForSelector("section:has-text('次に行うこと')");
  check((await seen(made.id, (e) => e.cert)).cert_name.includes("img"), "it is not expected there");
  check(!(await page.evaluate(() => window.__hit)), "a served name was run");
  await shot(page, "146-adopted-one-ja");
  // Several from the list, with the same plan: this one is taken already, the unreachable one serves nothing.
  await visit(page, "/watch");
  await row(page, `127.0.0.22:${ground.port}`).waitFor();
  await page.check("thead input[type=checkbox]");
  await page.click(".bulk button:has-text('管理に加える')");
  await page.waitForSelector("dialog >> text=期待する証明書も設定されています");
  check((await page.textContent("dialog")).includes("前回の確認では"), "why the unreachable one is left out");
  await axe(page, "adopting several endpoints");
  await shot(page, "146-adopt-endpoints-ja", false);
  await page.keyboard.press("Escape");
  // intra.example.jp is expected where www.example.jp is served: it has a target, and a failing one.
  await visit(page, `/watch/${ids.endpoint}`);
  const drift = (await api(page, "GET", "/endpoints?state=drift&limit=50")).body.items.find((e) => e.cert_name === "intra.example.jp");
  await visit(page, `/watch/${drift.id}`);
  await page.click("#drift ~ * button:has-text('管理中の証明書を適用'), section:has(#drift) button:has-text('管理中の証明書を適用')");
  await page.waitForSelector("dialog form");
  const asked = await page.textContent("dialog");
  check(asked.includes("web3") && asked.includes("www.example.jp"), `what happens to what is not told: ${asked}`);
  await shot(page, "147-drift-deploy-ask-ja", false);
  await page.click("dialog button.primary");
  await page.waitForSelector("section:has(#drift) .jobview");
  await shot(page, "148-drift-deploying-ja");
  for (const [n, o] of Object.entries({ "en-dark": { lang: "en", theme: "dark" }, "ja-phone": { lang: "ja", size: phone } })) {
    const other = await open(o);
    await visit(other, `/watch/${drift.id}`);
    await axe(other, `endpoint ${n}`);
    await shot(other, `149-drift-${n}`);
  }
  // Held, and nobody has said where it goes: the way to say it.
  const bare = (await api(page, "POST", "/endpoints", { host: "127.0.0.21", port: ground.port, sni: "wiki.example.jp", cert: "wiki.example.jp" })).body;
  await seen(bare.id, (e) => e.state === "drift");
  await visit(page, `/watch/${bare.id}`);
  await page.click("section:has(#drift) a:has-text('適用設定を追加')");
  await page.waitForSelector("dialog form, dialog .choice");
  for (const e of (await api(page, "GET", "/endpoints?limit=500")).body.items.filter((x) => x.port === ground.port)) await api(page, "DELETE", `/endpoints/${e.id}`);
});
