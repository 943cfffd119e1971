// The live page in a headless Chromium, beside the built daemon and the emulator.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Scene, until } from "./scene.js";

const FIRST = "/topic/InvoiceStatementUpdates";
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const shots = new URL("../../target/page/", import.meta.url);
/** A sink whose receiver refuses connections. */
const HOOK = '[sink.hook.webhook]\nurl = "http://127.0.0.1:9/hook"\nretry_initial = "100ms"\nretry_max = "500ms"\n';
let scene;

before(async () => {
  await mkdir(shots, { recursive: true });
  scene = await Scene.open({ more: HOOK });
});
after(() => scene.close());

const card = (page) => page.getByRole("article", { name: "Connection acme" });
const rows = (page) => page.locator("#list > li:visible");
const isLive = (page) => card(page).locator(".badge.good", { hasText: "live" }).first().waitFor();

/** The page has the event once it is published often enough: a new subscription has its own begin. */
async function sees(page, channel, text, data = { sobject: { Name: text } }) {
  await scene.publish(channel, data);
  await page.locator("#list > li", { hasText: channel }).first().waitFor();
}

test("a channel is subscribed, its events are shown, and it is unsubscribed", async () => {
  const page = await scene.tab();
  await isLive(page);
  await page.getByPlaceholder("/topic/Name").fill("/topic/Second");
  await page.getByRole("button", { name: "Subscribe a channel of acme" }).click();
  await page.locator("#told", { hasText: "Subscribe /topic/Second: done" }).waitFor();
  await card(page).locator("li", { hasText: "/topic/Second" }).locator(".badge", { hasText: "live" }).waitFor();
  await sees(page, "/topic/Second", "one");
  await page.getByRole("button", { name: "Unsubscribe /topic/Second of acme" }).click();
  await card(page).locator("li", { hasText: "/topic/Second" }).waitFor({ state: "detached" });
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a refused subscription is said in words", async () => {
  const page = await scene.tab();
  await isLive(page);
  await page.getByPlaceholder("/topic/Name").fill("no-slash");
  await page.getByRole("button", { name: "Subscribe a channel of acme" }).click();
  await page.locator("#told", { hasText: "a channel starts with '/'" }).waitFor();
  await page.close();
});

test("events are held, filtered by channel and text, opened as JSON, and cleared", async () => {
  const page = await scene.tab();
  await isLive(page);
  await sees(page, FIRST, "first");
  await page.locator("summary").first().click();
  await page.locator("pre", { hasText: '"Name": "first"' }).waitFor();
  await page.getByLabel("Text").fill("nothing has this");
  await until("no row is shown", async () => (await rows(page).count()) === 0);
  await page.getByLabel("Text").fill("FIRST");
  await until("the row is shown", async () => (await rows(page).count()) === 1);
  await page.getByLabel("Channel").last().fill("/u/**");
  await until("the channel is not of these", async () => (await rows(page).count()) === 0);
  await page.getByLabel("Channel").last().fill("/topic/*");
  await page.getByLabel("Text").fill("");
  await page.locator("#hold").click();
  await scene.publish(FIRST, { sobject: { Name: "held" } });
  await page.getByRole("button", { name: "Go on (1 wait)" }).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.locator("#hold").click();
  await until("the held one is shown", async () => (await rows(page).count()) === 2);
  await page.locator("#clear").click();
  assert.equal(await rows(page).count(), 0);
  await page.close();
});

test("markup and control characters of a server stay text", async () => {
  const page = await scene.tab();
  await isLive(page);
  const evil = '</script><img src=x onerror="document.title=1">\u2028\u0007';
  await sees(page, FIRST, evil);
  await page.locator("summary").first().click();
  await page.locator("pre", { hasText: "<img src=x" }).waitFor();
  assert.equal(await page.title(), "cometail");
  assert.equal(await page.locator("img[onerror]").count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a sink that fails is told of with its reason, and its lag is drawn", async () => {
  const page = await scene.tab();
  await isLive(page);
  await scene.publish(FIRST, { sobject: {} });
  await page.locator("#problems li", { hasText: /Sink hook fails for .*refused/u }).waitFor();
  const sink = page.getByRole("article", { name: "Sink hook" });
  await sink.locator(".behind", { hasText: /^[1-9][0-9]* events? behind/u }).waitFor();
  const label = await sink.locator("svg.lag").getAttribute("aria-label");
  assert.match(label, /hook: [0-9]+ events? behind/u);
  await page.close();
});

test("a connection and a sink are paused and go on, and no event is missing", async () => {
  const page = await scene.tab();
  await isLive(page);
  for (const name of ["acme", "archive"]) {
    await page.getByRole("button", { name: `Pause ${name}` }).click();
    await page.locator("#problems li", { hasText: `${name} is paused` }).waitFor();
  }
  await scene.publish(FIRST, { sobject: { Name: "meanwhile" } });
  for (const name of ["archive", "acme"]) await page.getByRole("button", { name: `Resume ${name}` }).click();
  await isLive(page);
  await page.locator("#list > li", { hasText: FIRST }).first().waitFor();
  await until("the file has it", async () => (await scene.file()).includes('"meanwhile"'));
  assert.equal((await scene.file()).split('"meanwhile"').length, 2, "once");
  await page.close();
});

test("the org goes away and comes back, and the page says both", async () => {
  const page = await scene.tab();
  await isLive(page);
  await scene.emulator.end("SIGKILL");
  await page.locator("#problems li", { hasText: "Connection acme is" }).waitFor();
  await scene.startOrg();
  await isLive(page);
  await until("the trouble is gone", async () => (await page.locator("#problems li", { hasText: "Connection acme is" }).count()) === 0);
  await page.close();
});

test("the daemon goes away and comes back, and the page is of the new one", async () => {
  const page = await scene.tab();
  await isLive(page);
  const before = await page.locator("#about").textContent();
  await scene.daemon.end("SIGKILL");
  await page.locator("#link", { hasText: "no connection to the daemon since" }).waitFor();
  await scene.startDaemon();
  await page.locator("#link", { hasText: /^connected$/u }).waitFor();
  await isLive(page);
  assert.notEqual(await page.locator("#about").textContent(), before);
  await page.getByPlaceholder("/topic/Name").fill("/topic/Again");
  await page.getByRole("button", { name: "Subscribe a channel of acme" }).click();
  await page.locator("#told", { hasText: "Subscribe /topic/Again: done" }).waitFor();
  await page.close();
});

test("everything can be done with the keyboard alone", async () => {
  const page = await scene.tab();
  await isLive(page);
  /** Tabs until the focus is on what is wanted. */
  const reach = async (wanted) => {
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press("Tab");
      const name = await page.evaluate(() => {
        const { ariaLabel, id, textContent, placeholder } = document.activeElement;
        return ariaLabel || id || placeholder || textContent;
      });
      if (name === wanted) return;
    }
    assert.fail(`the keyboard does not reach ${wanted}`);
  };
  await reach("/topic/Name");
  await page.keyboard.type("/topic/Keys");
  await page.keyboard.press("Enter");
  await card(page).locator("li", { hasText: "/topic/Keys" }).waitFor();
  await reach("hold");
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#hold").getAttribute("aria-pressed"), "true");
  await page.close();
});

for (const [colorScheme, width] of [["light", 1200], ["dark", 1200], ["light", 360], ["dark", 360]]) {
  test(`nothing is hard to read or to reach: ${colorScheme}, ${width} pixels wide`, async () => {
    const page = await scene.tab({ colorScheme, viewport: { width, height: 900 } });
    await isLive(page);
    await sees(page, FIRST, "shown");
    await page.locator("summary").first().click();
    await page.screenshot({ path: fileURLToPath(new URL(`${colorScheme}-${width}.png`, shots)), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    assert.deepEqual(violations.map((one) => `${one.impact} ${one.id}: ${one.nodes[0].html}`), []);
    await page.close();
  });
}

test("a thousand events a second do not freeze the page", async () => {
  const page = await scene.tab();
  await isLive(page);
  const body = JSON.stringify({ channel: FIRST, count: 5000, data: { sobject: { Name: "many" } } });
  await fetch(`http://127.0.0.1:${scene.org}/_emulator/publish`, { method: "POST", body });
  await page.locator("#shown", { hasText: /5,0[0-9]{2} events|came too fast/u }).waitFor();
  assert.ok((await page.locator("#list > li").count()) <= 500);
  const begun = Date.now();
  await page.getByLabel("Text").fill("many");
  await page.locator("#hold").click();
  assert.ok(Date.now() - begun < 5000, "it answers a person");
  await page.close();
});

test("a daemon with a token shows nothing without it", async () => {
  const guarded = await Scene.open({ token: "page-secret-token" });
  try {
    const page = await guarded.tab();
    await page.locator("#link", { hasText: "waits for the token" }).waitFor();
    assert.equal(await page.locator(".card").count(), 0);
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Connect" }).click();
    await page.locator("#token-problem", { hasText: "This token is refused" }).waitFor();
    await page.getByLabel("Token").fill("page-secret-token");
    await page.getByRole("button", { name: "Connect" }).click();
    await isLive(page);
    await page.getByPlaceholder("/topic/Name").fill("/topic/Guarded");
    await page.getByRole("button", { name: "Subscribe a channel of acme" }).click();
    await page.locator("#told", { hasText: "Subscribe /topic/Guarded: done" }).waitFor();
    const kept = await page.evaluate(() => [localStorage.length, document.cookie, location.href].join(" "));
    assert.equal(kept, `0  ${guarded.url}`, "the token is in this tab's session alone");
  } finally {
    await guarded.close();
  }
});
