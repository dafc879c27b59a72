// The story of one customer in a real browser, who signs up, subscribes, buys credits, meters calls until
// the credits run out, cancels, resubscribes, and has a payment that fails and is then paid; and of an
// operator who sees all of this. The steps depend on each other: after a failed one the rest are skipped.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { startBrowser, visitor } from "./lib/browser.js";
import { eventually, startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";
import { steps } from "./lib/steps.js";

const ADDRESS = "ada@lovelace.example";

let demo, browser, ada, key;

before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  ada = await visitor(browser);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const step = steps(() => demo, () => ada);
const billing = () => moves.account(ada, demo);
const on = (path) => new URL(path, demo.baseUrl).href;

step("signs up with an emailed link and starts on Free with 100 credits", async () => {
  await moves.signIn(ada, demo, ADDRESS);

  const text = await ada.text();
  assert.match(text, /Current plan.*Free/);
  assert.match(text, /Credits 100\b/);
  await ada.look("Billing, Free");
});

step("reads the prices and picks Pro", async () => {
  await ada.open(on("/pricing"));
  const text = await ada.text();
  for (const price of [/Pro\b.*\$19/, /Pro Plus.*\$49/, /5,000.*\$5\.00/]) assert.match(text, price);
  await ada.look("Pricing");

  await moves.choosePlan(ada, demo, "Pro");

  assert.match(await ada.text(), /\$19\.00/);
  await ada.look("Checkout, plan");
});

step("sees that the card was declined, and stays on Checkout", async () => {
  const answer = await moves.pay(ada, moves.DECLINED_CARD);

  assert.equal(answer.status(), 402);
  ada.expectRefusal(402);
  assert.match(await ada.text(), /Your card was declined/);
  assert.match(moves.pathOf(ada.page), /^\/c\/pay\//);
  await ada.look("Checkout, declined");
  assert.equal((await billing()).subscription.tier, "FREE");
});

step("pays, and is on Pro at the first paint of the success page", async () => {
  const answer = await moves.pay(ada);

  await moves.assertPaid(ada, answer, /Pro is active/);
  await ada.look("Success, plan");
});

step("sees Pro, its state, its renewal and the payment on the billing page", async () => {
  await moves.openBilling(ada, demo);

  const { subscription } = await billing();
  const text = await ada.text();
  assert.match(text, /Current plan Active Pro/);
  assert.match(text, new RegExp(dayAsShown(subscription.currentPeriodEnd)));
  assert.match(text, /Payment history.*\$19\.00.*Paid/);
  await ada.look("Billing, Pro");
});

step("buys 5,000 credits, once, however often the event comes", async () => {
  const before = (await billing()).credits.balance;
  await moves.choosePack(ada, demo, "5,000");
  await ada.look("Checkout, credits");

  const answer = await moves.pay(ada);

  await moves.assertPaid(ada, answer, /5,000 credits added/);
  await ada.look("Success, credits");
  assert.equal((await billing()).credits.balance, before + 5000);

  const event = await demo.event("checkout.session.completed");
  await demo.deliverAgain(event.id);

  assert.equal((await billing()).credits.balance, before + 5000);
});

step("leaves Checkout without being charged", async () => {
  const before = await billing();
  await moves.choosePack(ada, demo, "500");

  await ada.follow(ada.link("Back"));

  assert.match(await ada.text(), /Nothing was charged/);
  await ada.look("Checkout left");
  assert.deepEqual((await billing()).credits.balance, before.credits.balance);
});

step("creates an API key, which is shown once", async () => {
  await ada.open(on("/dashboard/keys"));
  await ada.look("Keys, none");
  await ada.page.getByLabel("Name", { exact: true }).fill("prod-web");
  await ada.follow(ada.button("Create key"));
  key = await ada.page.locator("#new-key").innerText();

  assert.match(key, /^lbx_test_[0-9a-f]{32,}$/);
  await ada.look("Keys, created");
  await ada.open(on("/dashboard/keys"));
  assert.ok(!(await ada.page.content()).includes(key), "the key is not shown again");
  await ada.look("Keys");
});

step("meters calls until credits run out, and learns where to add credits", async () => {
  const meter = moves.program(demo, key);
  const { available } = await meter.get("/api/v1/balance");

  const hold = await meter.post("/api/v1/holds", { operation: "ocr", units: 10 }, "hold-1");
  assert.equal(hold.status, 201);
  assert.equal(hold.body.available, available - 50);
  const capture = await meter.post(`/api/v1/holds/${hold.body.id}/capture`, { units: 4 });
  assert.equal(capture.body.captured, 20);
  assert.equal(capture.body.released, 30);
  assert.equal(capture.body.available, available - 20);

  const debit = await meter.post("/api/v1/debits", { operation: "chat", units: 5 }, "debit-1");
  assert.equal(debit.status, 201);
  const again = await meter.post("/api/v1/debits", { operation: "chat", units: 5 }, "debit-1");
  assert.deepEqual(again.body, debit.body, "a retry gets the same response");

  const left = available - 20 - 10;
  const most = await meter.post("/api/v1/debits", { credits: left - 3 }, "debit-2");
  assert.equal(most.status, 201);
  const refused = await meter.post("/api/v1/debits", { credits: 5 }, "debit-3");
  assert.equal(refused.status, 402);
  assert.equal(refused.body.needed, 5);
  assert.equal(refused.body.available, 3);
  assert.equal(new URL(refused.body.topUpUrl, demo.baseUrl).pathname, "/dashboard/billing/credits");
  assert.equal((await meter.get("/api/v1/balance")).available, 3);
});

step("sees the calls and a chart of them", async () => {
  await ada.open(on("/dashboard/usage"));

  const text = await ada.text();
  for (const part of [/ocr/, /chat/, /prod-web/]) assert.match(text, part);
  assert.ok((await ada.page.locator("svg.chart rect").count()) > 0, "the chart has bars");
  await ada.look("Usage");
  await ada.page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  await ada.look("Usage, menu and table opened");
  await moves.openBilling(ada, demo);
  assert.match(await ada.text(), /Credits are running low/);
  assert.ok((await ada.page.locator("svg.chart rect").count()) > 0, "billing shows the chart");
  await ada.look("Billing, low on credits");
});

step("reads what one call cost and why, and downloads all usage", async () => {
  await ada.open(on("/dashboard/usage"));
  const lines = await moves.file(ada, ada.link("Export CSV"));
  assert.ok(lines.length > 1, "the file has a row of figures");

  await ada.follow(ada.link("All calls and receipts"));
  assert.match(await ada.text(), /ocr.*20/);
  await ada.look("Calls");
  await ada.follow(ada.link(/^ocr/));

  assert.match(await ada.text(), /4 × ocr.*Held 50 credits.*Returned 30 credits.*Charged 20 credits/);
  await ada.look("A call's receipt");
});

step("adds 500 credits, some of which are left when the plan ends", async () => {
  await moves.choosePack(ada, demo, "500");
  await moves.assertPaid(ada, await moves.pay(ada), /500 credits added/);
});

step("cancels in the portal, sees when Pro ends, resumes it, and cancels again", async () => {
  const ends = dayAsShown((await billing()).subscription.currentPeriodEnd);
  await cancelInPortal();
  await assertEnds(ends);
  await ada.look("Billing, ends");

  await moves.openPortal(ada, demo);
  await ada.look("Portal, cancelled");
  await ada.follow(ada.button("Don't cancel"));
  await eventually("the plan to go on", async () => !(await billing()).subscription.cancelAt);
  await moves.openBilling(ada, demo);
  assert.match(await ada.text(), /Current plan Active Pro/);
  assert.doesNotMatch(await ada.text(), /until .*, then Free/);

  await cancelInPortal();
  await assertEnds(ends);
});

step("is on Free after the period, with the purchased credits", async () => {
  const bought = boughtLeft(await billing());
  assert.ok(bought > 0, "some purchased credits are left");

  await demo.advance("32d");

  const now = await billing();
  assert.equal(now.subscription.tier, "FREE");
  assert.equal(boughtLeft(now), bought);
  await moves.openBilling(ada, demo);
  assert.match(await ada.text(), /Current plan.*\bFree\b/);
  await ada.look("Billing, ended");
});

step("subscribes again", async () => {
  await moves.choosePlan(ada, demo, "Pro");
  await moves.assertPaid(ada, await moves.pay(ada), /Pro is active/);
});

step("is notified of a declined renewal by email and on the page, and keeps Pro for now", async () => {
  await demo.declineNext();

  await demo.advance(await untilAfterRenewal());

  const { subscription } = await billing();
  assert.equal(subscription.status, "PAST_DUE");
  assert.equal(subscription.accessTier, "PRO");
  await demo.mailTo(ADDRESS, /payment of \$19\.00 did not go through/);
  await moves.openBilling(ada, demo);
  const text = await ada.text();
  assert.match(text, /Your last payment of \$19\.00 did not go through/);
  assert.match(text, /Current plan Payment failed/);
  await ada.look("Billing, past due");
});

step("sees the open invoice, changes the card in the portal, and Pro is active again", async () => {
  await ada.follow(ada.link(/^Pay \$19\.00 now/));
  assert.match(await ada.text(), /Left to pay \$19\.00/);
  await ada.look("Invoice, open");

  await moves.openPortal(ada, demo);
  await ada.look("Portal");
  await ada.follow(ada.link("Update card"));
  await ada.look("Portal, card");
  await ada.card(moves.GOOD_CARD);
  await ada.follow(ada.page.locator("form button.primary"));
  assert.match(moves.pathOf(ada.page), /^\/p\/session\//);

  await eventually("the payment to be known", async () => {
    return (await billing()).subscription.status === "ACTIVE";
  });
  await moves.openBilling(ada, demo);
  const text = await ada.text();
  assert.match(text, /Current plan Active Pro/);
  assert.doesNotMatch(text, /did not go through/);
});

step("cancels on the billing page, and resumes Pro with one click", async () => {
  await ada.follow(ada.link("Cancel plan"));
  await ada.look("Cancel plan");
  await ada.follow(ada.page.locator("main form button"));
  await assertEnds(dayAsShown((await billing()).subscription.currentPeriodEnd));

  await ada.follow(ada.button("Keep Pro"));

  await eventually("the plan to go on", async () => !(await billing()).subscription.cancelAt);
});

step("upgrades to Pro Plus for the previewed price, and gets its credits", async () => {
  const before = (await billing()).credits.balance;
  await ada.open(on("/dashboard/billing/upgrade"));
  await ada.follow(moves.planAction(ada, "Pro Plus"));
  await ada.look("Plans, review");
  const pay = ada.page.locator("#review").getByRole("button");
  const [, price] = /^Pay (\$[0-9.]+) and upgrade$/.exec(await pay.innerText());
  await ada.follow(pay);

  await eventually("Pro Plus", async () => (await billing()).subscription.tier === "PRO_PLUS");
  assert.ok((await billing()).credits.balance > before, "the credits of the larger plan arrived");
  await moves.openBilling(ada, demo);
  const text = await ada.text();
  assert.match(text, /Current plan Active Pro Plus/);
  assert.ok(text.includes(price), `the payment history shows the reviewed ${price}`);
  await ada.look("Billing, Pro Plus");
});

step("schedules a downgrade to Pro, and withdraws it with one click", async () => {
  await ada.open(on("/dashboard/billing/upgrade"));
  await ada.follow(moves.planAction(ada, "Pro"));
  await ada.look("Plans, review of a smaller plan");
  await ada.follow(ada.page.locator("#review").getByRole("button"));
  const { subscription } = await billing();
  assert.equal(subscription.tier, "PRO_PLUS");
  assert.equal(subscription.pendingChange.tier, "PRO");
  await ada.look("Billing, smaller plan scheduled");

  await ada.follow(ada.button("Stay on Pro Plus"));

  assert.equal((await billing()).subscription.pendingChange, null);
});

step("downgrades to Pro in the portal at the end of the paid period", async () => {
  await moves.openPortal(ada, demo);
  await ada.follow(ada.link("Update plan"));
  await ada.look("Portal, plan");
  await ada.page.getByLabel(/Pro, \$19\.00/).check();
  await ada.follow(ada.page.locator("main form button"));
  await ada.look("Portal, plan changes");

  assert.equal((await billing()).subscription.tier, "PRO_PLUS");
  await demo.advance(await untilAfterRenewal());
  assert.equal((await billing()).subscription.tier, "PRO");
});

step("finds all invoices, and downloads the payments", async () => {
  await moves.openBilling(ada, demo);
  const lines = await moves.file(ada, ada.link("Export CSV"));
  assert.ok(lines.length > 5, "the file has all payments");

  await ada.follow(ada.link("Invoices"));

  assert.match(await ada.text(), /\$19\.00 Paid/);
  await ada.look("Invoices");
  const pdf = ada.page.locator("table.data tbody a", { hasText: "PDF" }).first();
  const answer = await ada.context.request.get(await pdf.getAttribute("href"));
  assert.equal(answer.status(), 200);
  assert.match(answer.headers()["content-type"], /^application\/pdf/);
});

step("revokes the key, which is refused from then on", async () => {
  const meter = moves.program(demo, key);
  await ada.open(on("/dashboard/keys"));
  await ada.follow(ada.link(/^Revoke/));
  await ada.look("Revoke a key");
  await ada.follow(ada.page.locator("main form button"));

  const refused = await meter.post("/api/v1/debits", { credits: 1 }, "debit-4");
  assert.equal(refused.status, 401);
  await ada.look("Keys, revoked");
});

step(
  "the operator sees every transaction and every webhook event",
  async (operator) => {
    await operator.page.goto(demo.adminLoginUrl);
    await operator.open(on("/admin/transactions"));
    const text = await operator.text();
    for (const part of [ADDRESS, /\$19\.00/, /\$5\.00/, /\$0\.50/, /Subscription/, /Credit top-up/]) {
      assert.match(text, new RegExp(part));
    }
    await operator.look("Admin, transactions");

    await operator.follow(operator.page.locator("table.data tbody a").first());
    assert.match(moves.pathOf(operator.page), /^\/admin\/accounts\//);
    await operator.look("Admin, account");

    await operator.open(on("/admin/accounts"));
    assert.match(await operator.text(), new RegExp(ADDRESS));
    await operator.look("Admin, accounts");

    await operator.open(on("/admin/events"));
    assert.match(await operator.text(), /invoice\.paid/);
    await operator.look("Admin, events");
    await operator.follow(operator.page.locator("table.data tbody a").first());
    assert.match(moves.pathOf(operator.page), /^\/admin\/events\/evt_/);
    assert.match(await operator.text(), /Processed/);
    await operator.look("Admin, event");
  },
  () => visitor(browser),
);

step("the customer can't open the operator's pages", async () => {
  const answer = await ada.page.goto(on("/admin/transactions"));

  assert.equal(answer.status(), 403);
  ada.expectRefusal(403);
  await ada.look("Not allowed");
  const missing = await ada.page.goto(on("/dashboard/nothing"));
  assert.equal(missing.status(), 404);
  ada.expectRefusal(404);
  await ada.look("Not found");
});

step("signs out, and the pages require signing in again", async () => {
  await moves.openBilling(ada, demo);
  await ada.follow(ada.page.locator(".side").getByRole("button", { name: "Sign out" }));

  await ada.open(on("/dashboard/billing"));

  assert.equal(moves.pathOf(ada.page), "/login");
});

step(
  "the twin's control page can be used by anyone, too",
  async (guest) => {
    await guest.open(new URL("/_twin", demo.twinUrl).href);
    await guest.look("Twin, control");
  },
  () => visitor(browser),
);

async function cancelInPortal() {
  await moves.openPortal(ada, demo);
  await ada.follow(ada.link("Cancel plan"));
  await ada.look("Portal, cancel");
  await ada.follow(ada.page.locator("main form button"));
}

/** Checks that the billing page says when the plan ends. */
async function assertEnds(day) {
  await eventually("the cancellation to be known", async () => {
    return Boolean((await billing()).subscription.cancelAt);
  });
  await moves.openBilling(ada, demo);
  assert.match(await ada.text(), new RegExp(`Pro until ${day}`));
}

function boughtLeft({ credits }) {
  const bought = credits.grants.filter((grant) => grant.kind === "purchase");
  return bought.reduce((sum, grant) => sum + grant.remaining, 0);
}

/** The time until two hours after the renewal, whose invoice is a draft for the first hour. */
async function untilAfterRenewal() {
  const { now } = await demo.clock();
  const ends = Date.parse((await billing()).subscription.currentPeriodEnd);
  return `${Math.ceil((ends - now * 1000) / 1000) + 7200}s`;
}

/** `2026-12-22T23:14:01Z` as the pages show it: "22 Dec 2026". */
function dayAsShown(time) {
  const month = new Date(time).toLocaleString("en-US", { month: "short", timeZone: "UTC" });
  const date = new Date(time);
  return `${date.getUTCDate()} ${month} ${date.getUTCFullYear()}`;
}
