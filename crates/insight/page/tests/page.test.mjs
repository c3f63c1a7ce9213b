// The page of a running program, in a real browser.
//
// PAGE_URL       where it is, with its token
// PAGE_EXPECTED  a file that says what is to be seen of that program's mistakes
// PAGE_MANY_URL  the page of a program with 100,000 more pending
// PAGE_PICTURES  a folder for pictures of the mistakes
// CHROMIUM       the browser, if it is not in the search path

import assert from "node:assert/strict";
import { accessSync, mkdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const VIEWS = ["overview", "pending", "graph", "slow", "failures", "lost"];
const MANY = 100_000;
/** What the browser may need for all of that, in bytes. */
const MEMORY = 100 * 1024 * 1024;

const url = needed("PAGE_URL");
const expected = JSON.parse(readFileSync(needed("PAGE_EXPECTED"), "utf8"));
const pictures = needed("PAGE_PICTURES");
mkdirSync(pictures, { recursive: true });

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; the head of this file says what it is`);
  return value;
}

function browser_path() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const known = [process.env.CHROMIUM, ...folders.flatMap((f) => names.map((n) => join(f, n)))];
  const found = known.find((path) => {
    try {
      accessSync(path ?? "");
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error("there is no Chromium: install it, or set CHROMIUM to where it is");
  return found;
}

let browser;
let page;
const complaints = [];

before(async () => {
  const is_root = process.getuid?.() === 0;
  browser = await chromium.launch({
    executablePath: browser_path(),
    // Chromium's own sandbox refuses to work for root.
    args: is_root ? ["--no-sandbox"] : [],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
});

after(async () => {
  await browser?.close();
});

async function open(view) {
  await page.goto(`${url}#/${view}`);
  await settled();
}

/** Waits until what is shown is an answer to what is asked now. */
async function settled() {
  // A view is drawn before the next picture but one.
  await page.evaluate(
    () => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen))),
  );
  await page.locator('main [aria-busy="true"]').waitFor({ state: "detached" });
}

async function sees(text, where = "main") {
  await page.locator(where).getByText(text).first().waitFor();
}

/** The number that a tile of the overview shows. */
async function tile(title, where = page) {
  const text = await where.locator(`.tile:has(span:text-is("${title}")) b`).innerText();
  return Number(text.replaceAll(",", ""));
}

/** Waits until a page shows that more than so many have been made. */
async function made_more_than(before, where = page) {
  await where.waitForFunction((before) => {
    const tiles = [...document.querySelectorAll(".tile")];
    const tile = tiles.find((one) => one.querySelector("span")?.textContent === "made");
    return Number(tile?.querySelector("b")?.textContent?.replaceAll(",", "")) > before;
  }, before);
}

test("the overview counts, and names places", async () => {
  await open("overview");
  await sees("pending");
  await page.locator("[role=status]", { hasText: "live" }).waitFor();
  assert.ok((await tile("pending")) >= 5);
  assert.ok((await tile("made")) > (await tile("pending")));
  await sees(expected.source);
  await page.locator("main table a").first().click();
  await page.waitForURL(/#\/pending\?site=/);
  await sees("made at");
});

test("what is pending is filtered and sorted", async () => {
  await open("pending");
  const rows = page.locator("tbody tr");
  assert.ok((await rows.count()) >= 5);
  await page.getByLabel("State").selectOption("paused");
  await settled();
  const paused = await rows.allInnerTexts();
  assert.ok(paused.length > 0 && paused.every((row) => row.includes("paused")), paused.join());
  await page.getByLabel("State").selectOption("");
  await settled();
  // The program goes on: how many are pending is another number each time.
  const all = await rows.allInnerTexts();
  assert.ok(all.length >= 5 && all.some((row) => !row.includes("paused")), all.join());
  await page.getByLabel("Place or number").fill("no such place");
  await sees("There is nothing like that.");
  await page.getByLabel("Place or number").fill("");
  await settled();
  const youngest = page.getByRole("button", { name: "Age" });
  const first = await rows.first().innerText();
  await youngest.focus();
  await page.keyboard.press("Enter");
  await page.locator("th[aria-sort=ascending]").waitFor();
  await page.waitForFunction(
    (text) => document.querySelector("tbody tr a")?.textContent !== text,
    first.split("\t")[0],
  );
});

test("one that waits is told down to the innermost, and drawn", async () => {
  await open("pending?state=waits&sort=waiters&order=asc");
  await page.locator("tbody a").first().click();
  await sees("waits on");
  const drawn = await page.getByRole("link", { name: "As a picture" }).getAttribute("href");
  const picture = await page.request.get(new URL(drawn, url).href);
  assert.equal(picture.headers()["content-type"], "image/svg+xml");
  assert.match(await picture.text(), /^<svg /);
  await page.getByRole("link", { name: "In the graph" }).click();
  await page.locator(".node.centre").waitFor();
  assert.ok((await page.locator(".node").count()) >= 2);
  assert.ok((await page.locator(".edge").count()) >= 1);
  await page.screenshot({ path: join(pictures, "graph.png") });
  await page.locator(".node").last().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/(deferred|pending)/);
});

test("slow callbacks are listed, the slowest first", async () => {
  await open("slow");
  await page.locator("tbody tr").first().waitFor();
  await sees(expected.source);
});

test("a frozen page does not change, and goes on afterwards", async () => {
  await open("overview");
  const freeze = page.getByRole("button", { name: "Freeze" });
  await freeze.click();
  await page.locator("[role=status]", { hasText: "frozen" }).waitFor();
  const made = await tile("made");
  const asked = [];
  const note = (request) => asked.push(request.url());
  page.on("request", note);
  // Meanwhile, another page sees the program go on.
  const other = await browser.newPage();
  await other.goto(url);
  for (let round = 0, seen = made; round < 3; round += 1) {
    await made_more_than(seen, other);
    seen = await tile("made", other);
  }
  await other.close();
  assert.equal(await tile("made"), made);
  assert.deepEqual(asked, []);
  page.off("request", note);
  // Another view is shown as it is now, all the same.
  await open("slow");
  await page.locator("tbody tr").first().waitFor();
  await open("overview");
  assert.equal(await tile("made"), made);
  await freeze.click();
  await made_more_than(made);
});

for (const mistake of expected.mistakes) {
  test(`a mistake is seen: ${mistake.name}`, async () => {
    await open(mistake.view);
    await page.locator(mistake.open).first().click();
    for (const text of mistake.see) await sees(text);
    const name = `${mistake.name.replaceAll(" ", "-")}.png`;
    await page.screenshot({ path: join(pictures, name) });
  });
}

test("it is dark where that is asked for, and fits a narrow window", async () => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 420, height: 800 });
  for (const view of VIEWS) {
    await open(view);
    await page.locator("main h2").first().waitFor();
    // A story, too.
    if (view === "failures") await page.locator("a.event").first().click();
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(overflow <= 0, `${view} is ${overflow} pixels too wide`);
  }
  await open("overview");
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.ok(Number(/\d+/.exec(ground)?.[0]) < 60, ground);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.screenshot({ path: join(pictures, "dark.png") });
  await page.emulateMedia({ colorScheme: "light" });
});

test("controls have names, and headings are in order", async () => {
  for (const view of VIEWS) {
    await open(view);
    await page.locator("main h2").first().waitFor();
    const nameless = await page.evaluate(() => {
      const named = (element) =>
        element.textContent?.trim() ||
        element.getAttribute("aria-label") ||
        element.labels?.length;
      const all = [...document.querySelectorAll("a, button, input, select, section")];
      return all.filter((element) => !named(element)).map((element) => element.outerHTML);
    });
    assert.deepEqual(nameless, []);
    assert.equal(await page.locator("h1").count(), 1);
  }
});

test("the page says when the program is busy, or gone", async () => {
  const { pathname } = new URL(url);
  const is_data = (asked) => asked.pathname.startsWith(pathname) && asked.pathname !== pathname;
  const other = await browser.newPage();
  await other.goto(url);
  const status = other.locator("[role=status]");
  await status.getByText("live").waitFor();
  const said = "the reactor has not answered for 3.2 s";
  await other.route(is_data, (route) => route.fulfill({ status: 503, body: said }));
  await status.getByText(said).waitFor();
  // What was seen last stays in sight.
  assert.ok((await tile("pending", other)) >= 5);
  await other.unroute(is_data);
  await other.route(is_data, (route) => route.abort());
  await status.getByText("the program does not answer").waitFor();
  await other.unroute(is_data);
  await status.getByText("live").waitFor();
  await other.close();
});

test("nothing was refused or went wrong on the page", () => {
  assert.deepEqual(complaints, []);
});

test("strangers are refused", async () => {
  const { host, pathname } = new URL(url);
  const status = (path, { method = "GET", headers = {} } = {}) =>
    new Promise((resolve, reject) => {
      const sent = request(`http://${host}${path}`, { method, headers, agent: false }, (got) => {
        got.resume();
        resolve(got.statusCode);
      });
      sent.on("error", reject);
      sent.end();
    });
  assert.equal(await status(pathname), 200);
  assert.equal(await status("/"), 404);
  assert.equal(await status("/00000000000000000000000000000000/now"), 404);
  assert.equal(await status(pathname, { headers: { Host: "evil.example" } }), 421);
  assert.equal(await status(pathname, { method: "POST" }), 405);
  assert.equal(await status(pathname + "x".repeat(5_000)), 414);
  assert.equal(await status(`${pathname}deferreds?limit=x`), 400);
});

test("a hundred thousand that are pending", async () => {
  const many = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const session = await many.context().newCDPSession(many);
  const began = performance.now();
  await many.goto(`${needed("PAGE_MANY_URL")}#/pending`);
  await many.locator("tbody tr").first().waitFor();
  const opened = performance.now() - began;
  assert.ok(Number((await many.locator(".found").innerText()).replaceAll(",", "")) >= MANY);
  assert.equal(await many.locator("tbody tr").count(), 50);
  for (const view of ["overview", "graph", "pending"]) {
    await many.goto(`${needed("PAGE_MANY_URL")}#/${view}`);
    await many.locator("main h2").first().waitFor();
  }
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const metric = (name) => metrics.find((one) => one.name === name)?.value ?? NaN;
  const used = metric("JSHeapUsedSize");
  console.log(`with ${MANY} pending it opens in ${opened.toFixed(0)} ms,`);
  console.log(`and needs ${(used / 1e6).toFixed(1)} MB of heap, ${metric("Nodes")} nodes`);
  assert.ok(used < MEMORY, `${used} bytes`);
  assert.ok(metric("Nodes") < 10_000);
  await many.close();
});
