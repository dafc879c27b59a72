// Actions of operators: open the rows behind the metrics, refund, adjust credits, replay an event, set up
// outgoing webhooks, and audit the ledger.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before } from "node:test";

import { startBrowser, visitor } from "./lib/browser.js";
import { eventually, startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";
import { steps } from "./lib/steps.js";

const ADA = "ada@lovelace.example";

let demo, browser, olga, home, host;
const heard = [];

before(async () => {
  host = createServer((request, response) => {
    heard.push(request.headers);
    request.resume().on("end", () => response.writeHead(204).end());
  });
  await once(host.listen(0, "127.0.0.1"), "listening");
  demo = await startDemo();
  browser = await startBrowser();
  const ada = await visitor(browser);
  await moves.signIn(ada, demo, ADA, { looks: false });
  await moves.subscribe(ada, demo);
  await moves.choosePack(ada, demo, "5,000");
  await moves.assertPaid(ada, await moves.pay(ada), /5,000 credits added/);
  olga = await visitor(browser);
  await olga.page.goto(demo.adminLoginUrl);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
  host?.closeAllConnections();
  host?.close();
});

const step = steps(() => demo, () => olga);
const on = (path) => new URL(path, demo.baseUrl).href;

step("opens the rows behind each figure of the overview", async () => {
  await olga.open(on("/admin"));
  await olga.look("Admin, overview");
  const figures = olga.page.locator("dl.stats a");
  const count = await figures.count();
  assert.equal(count, 6);

  for (let place = 0; place < count; place += 1) {
    await olga.open(on("/admin"));
    const answer = await olga.follow(figures.nth(place));
    assert.equal(answer.status(), 200);
    assert.match(moves.pathOf(olga.page), /^\/admin\/(transactions|events|accounts)$/);
    assert.ok((await olga.page.locator("table.data, .empty").count()) > 0, "there are rows, or a reason why not");
  }
  assert.match(await olga.text(), new RegExp(ADA), "subscriptions link to their accounts");
  await olga.look("Admin, accounts with a plan");
});

step("searches payments, saves the search as a view, and downloads it", async () => {
  await olga.open(on("/admin/transactions"));
  await olga.page.getByLabel("Search").fill(ADA);
  await olga.follow(olga.button("Apply"));
  await olga.look("Admin, transactions found");
  const lines = await moves.file(olga, olga.link(/^Export CSV/));
  assert.equal(lines.length, 3, "a heading and two payments");

  await olga.page.getByLabel("Save this search as a view").fill("Ada");
  await olga.follow(olga.button("Save view"));

  assert.equal(await olga.page.locator("nav.tabs a[aria-current=page]").innerText(), "Ada");
  await olga.look("Admin, a saved view");
});

step("refunds part of a payment after previewing the effect", async () => {
  const row = olga.page.locator("tbody tr").filter({ hasText: "5,000 credits" });
  await olga.follow(row.locator("a:visible", { hasText: "Refund" }));
  await olga.look("Refund");
  await olga.page.getByLabel(/^Amount/).fill("2.50");
  await olga.follow(olga.button("Preview refund"));
  assert.match(await olga.text(), /Refund amount \$2\.50 Credits taken 2,500/);
  await olga.look("Refund, previewed");

  await olga.follow(olga.button("Refund $2.50"));

  home = olga.page.url().split("?")[0];
  assert.match(await olga.text(), /Refund sent to Stripe/);
  assert.match(await olga.text(), /\$2\.50 refunded/);
  await olga.look("Admin, account after a refund");
});

step("adds credits after previewing the effect", async () => {
  await olga.page.getByLabel("Credits to add or take away").fill("250");
  await olga.page.getByLabel("Note (kept in the audit log)").fill("Ticket 4821");
  await olga.follow(olga.button("Review adjustment"));
  assert.match(await olga.text(), /Change \+250 .*Available afterwards/);
  await olga.look("Adjust, previewed");

  await olga.follow(olga.button(/^Adjust by \+250/));
  assert.match(await olga.text(), /Credits were adjusted/);

  await olga.follow(olga.link("Journal"));
  assert.match(await olga.text(), /\+250/);
  await olga.look("Admin, journal");
});

step("previews every other action before it is done", async () => {
  await olga.open(home);
  const acts = olga.page.locator('main a[href*="/plan"], main a[href*="/status"], main a[href*="/void"]');
  const links = await acts.evaluateAll((all) => all.map((one) => one.href));
  assert.ok(links.length >= 3, "plan, status and a grant can be changed");

  for (const href of new Set(links)) {
    await olga.open(href);
    assert.ok((await olga.page.getByRole("link", { name: "Not now" }).count()) > 0, "there is a way back");
    await olga.look(`Admin, ${moves.pathOf(olga.page).split("/").pop()}`);
  }
});

step("replays an event after previewing that nothing would change", async () => {
  await olga.open(on("/admin/events?q=checkout.session.completed"));
  await olga.open(on("/admin/events"));
  await olga.follow(olga.page.locator("tbody tr", { hasText: "invoice.paid" }).locator("a").first());
  await olga.look("Admin, event");
  await olga.follow(olga.link(/^Replay/));
  assert.match(await olga.text(), /Would change nothing: everything already agrees/);
  await olga.look("Replay, dry run");

  await olga.follow(olga.button("Replay the event"));

  assert.match(moves.pathOf(olga.page), /^\/admin\/events\/evt_/);
});

step("adds an outgoing webhook, and sees a test delivery arrive", async () => {
  await olga.open(on("/admin/webhooks"));
  await olga.look("Admin, notices, none");
  await olga.page.getByLabel("Address").fill("ftp://nowhere");
  await olga.follow(olga.button("Add endpoint"));
  olga.expectRefusal(400);
  await olga.look("Admin, notices, refused");

  const address = `http://127.0.0.1:${host.address().port}/hooks`;
  await olga.page.getByLabel("Address").fill(address);
  await olga.follow(olga.button("Add endpoint"));
  assert.match(await olga.page.locator("#new-secret").innerText(), /^whsec_/);
  await olga.look("Admin, notices, made");

  await olga.follow(olga.link(address));
  await olga.look("Admin, endpoint, nothing sent");
  await olga.follow(olga.button("Send a test"));
  await eventually("the test to arrive", async () => {
    await olga.page.reload();
    return /Delivered/.test(await olga.text());
  });
  assert.ok(heard.some((headers) => headers["webhook-signature"]), "what arrives is signed");
  await olga.look("Admin, endpoint");
});

step("audits the books, and finds actions in the audit log", async () => {
  await olga.open(on("/admin/audit"));
  await olga.look("Admin, books");
  await olga.follow(olga.button("Check the books now"));
  await olga.look("Admin, books checked");

  await olga.open(on("/admin/log"));
  const text = await olga.text();
  for (const act of [/adjust/, /refund/, /replay/]) assert.match(text, act);
  await olga.look("Admin, audit log");
});

step("opens alerts, the catalog and all exports", async () => {
  for (const [path, name] of [
    ["/admin/alerts", "Admin, alerts"],
    ["/admin/plans", "Admin, catalog"],
    ["/admin/export", "Admin, exports"],
  ]) {
    await olga.open(on(path));
    await olga.look(name);
  }
  const files = olga.page.locator('main a[href^="/admin/export/"]');
  assert.ok((await moves.file(olga, files.first())).length > 0);
});
