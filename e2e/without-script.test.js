// The essential actions in a browser without JavaScript: links and forms are sufficient.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startBrowser, visitor } from "./lib/browser.js";
import { startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";

const ADDRESS = "grace@hopper.example";

let demo, browser, grace;

before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  grace = await visitor(browser, { script: false });
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

test("without script one signs in, subscribes, pays, buys credits and makes a key", async (context) => {
  try {
    await moves.signIn(grace, demo, ADDRESS);

    await moves.choosePlan(grace, demo, "Pro");
    await moves.assertPaid(grace, await moves.pay(grace), /Pro is active/);
    const { credits } = await moves.account(grace, demo);

    await moves.choosePack(grace, demo, "1,000");
    await moves.assertPaid(grace, await moves.pay(grace), /1,000 credits added/);
    assert.equal((await moves.account(grace, demo)).credits.balance, credits.balance + 1000);

    await grace.open(new URL("/dashboard/keys", demo.baseUrl).href);
    await grace.page.getByLabel("Name", { exact: true }).fill("script-less");
    await grace.follow(grace.button("Create key"));
    assert.match(await grace.page.locator("#new-key").innerText(), /^lbx_test_/);

    await moves.openBilling(grace, demo);
    assert.match(await grace.text(), /Current plan Active Pro/);
    await grace.follow(grace.page.locator(".side").getByRole("button", { name: "Sign out" }));
    await grace.open(new URL("/dashboard/billing", demo.baseUrl).href);
    assert.equal(moves.pathOf(grace.page), "/login");
  } catch (error) {
    context.diagnostic(`Picture: ${await grace.photograph("without-script")}`);
    throw error;
  }
  assert.deepEqual(grace.faults(), []);
});
