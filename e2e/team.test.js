// Settings that owners manage: the members of the account, email settings, auto top-up, spend limits and
// sessions.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { startBrowser, visitor } from "./lib/browser.js";
import { startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";
import { steps } from "./lib/steps.js";

const ADA = "ada@lovelace.example";
const BOB = "bob@babbage.example";

let demo, browser, ada, bob, bobsBilling;

before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  [ada, bob] = [await visitor(browser), await visitor(browser)];
  await moves.signIn(ada, demo, ADA, { looks: false });
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const step = steps(() => demo, () => ada);
const on = (path) => new URL(path, demo.baseUrl).href;
const rowOf = (person, text) => person.page.getByRole("row").filter({ hasText: text });

step("is the only member at first, and creates an organization", async () => {
  await ada.open(on("/dashboard/members"));
  await ada.look("Members, alone");

  await ada.page.getByLabel("New organization").fill("Analytical Engines");
  await ada.follow(ada.button("Create organization"));

  assert.match(await ada.text(), /Members of Analytical Engines/);
  await ada.look("Members of an organisation");
});

step("sees what is wrong with an email address, and invites with a valid one", async () => {
  const address = ada.page.getByLabel("Email address");
  await address.fill("bob@nowhere");
  await ada.follow(ada.button("Send invitation"));
  ada.expectRefusal(400);
  assert.match(await ada.text(), /Please correct this field/);
  await ada.look("Members, refused");

  await address.fill(BOB);
  await ada.page.getByLabel("Role", { exact: true }).selectOption("billing");
  await ada.follow(ada.button("Send invitation"));

  assert.match(await ada.text(), /Invited.*bob@babbage\.example Billing/);
  await ada.look("Members, invited");
});

step(
  "a colleague joins with the mailed link",
  async () => {
    await moves.openMail(bob, demo, BOB, /Analytical Engines/);
    await bob.follow(bob.page.locator("pre.mail-text a").first());
    assert.match(await bob.text(), /Join Analytical Engines.*Your role: Billing/);
    await bob.look("Invitation");

    await bob.follow(bob.button("Join"));

    await bob.follow(bob.page.locator(".side").getByRole("link", { name: "Billing", exact: true }));
    bobsBilling = bob.page.url();
    assert.match(await bob.text(), /payments for Analytical Engines/);
    await bob.look("Billing of a colleague");
  },
  () => bob,
);

step("changes the colleague's role", async () => {
  await ada.page.reload();
  const role = rowOf(ada, BOB).getByRole("combobox");
  assert.equal(await role.inputValue(), "billing");

  await role.selectOption("member");
  await ada.follow(rowOf(ada, BOB).getByRole("button", { name: "Save" }));

  assert.equal(await rowOf(ada, BOB).getByRole("combobox").inputValue(), "member");
  await ada.look("Members, several");
});

step(
  "the colleague looks at the settings and changes nothing",
  async () => {
    await bob.follow(bob.page.locator(".side").getByRole("link", { name: "Settings" }));

    assert.equal(await bob.page.getByRole("button", { name: "Save email settings" }).count(), 0);
    await bob.look("Settings, looking");
  },
  () => bob,
);

step("removes the colleague after a confirmation", async () => {
  await ada.follow(rowOf(ada, BOB).getByRole("link", { name: /^Remove/ }));
  await ada.look("Remove a member");
  await ada.follow(ada.page.locator("main form button"));

  assert.doesNotMatch(await ada.text(), /bob@babbage/);
});

step(
  "whoever was removed does not find the account any more",
  async () => {
    const answer = await bob.page.goto(bobsBilling);

    assert.equal(answer.status(), 404);
    bob.expectRefusal(404);
  },
  () => bob,
);

step("chooses which emails to receive, and sees when a value is invalid", async () => {
  await ada.open(on("/dashboard/settings"));
  await ada.look("Settings");
  const low = () => ada.page.getByLabel(/^Email me when credits fall/);
  await low().fill("many");
  await ada.follow(ada.button("Save email settings"));
  ada.expectRefusal(400);
  assert.match(await ada.text(), /Please correct this field/);
  await ada.look("Settings, refused");

  await low().fill("750");
  await ada.page.getByLabel("Receipts and refunds").uncheck();
  await ada.follow(ada.button("Save email settings"));

  assert.equal(await low().inputValue(), "750");
  assert.equal(await ada.page.getByLabel("Receipts and refunds").isChecked(), false);
});

step("turns on auto top-up with a cap, and turns it off", async () => {
  await moves.subscribe(ada, demo);
  await ada.open(on("/dashboard/settings"));
  await ada.page.getByLabel(/^Monthly cap/).fill("25.00");
  await ada.follow(ada.button("Turn on auto top-up"));
  assert.match(await ada.text(), /Auto top-up On/);
  assert.equal(await ada.page.getByLabel(/^Monthly cap/).inputValue(), "25.00");
  await ada.look("Settings, auto top-up");

  await ada.follow(ada.button("Turn off auto top-up"));

  assert.match(await ada.text(), /Auto top-up Off/);
});

step("sets a spend limit, and removes it", async () => {
  await ada.page.getByLabel("Maximum credits").fill("5000");
  await ada.follow(ada.button("Set limit"));
  assert.match(await ada.text(), /The whole account 5,000 credits/);
  await ada.look("Settings, a limit");

  await ada.follow(rowOf(ada, "The whole account").getByRole("button"));

  assert.match(await ada.text(), /No limits/);
});

step("sees another session, and ends it", async () => {
  const elsewhere = await visitor(browser);
  await moves.signIn(elsewhere, demo, ADA, { looks: false });
  await ada.open(on("/dashboard/sessions"));
  await ada.look("Sign-ins");
  const other = ada.page.locator("tbody tr").filter({ hasNotText: "This device" });
  assert.equal(await other.count(), 1);

  await ada.follow(other.getByRole("button", { name: "Sign out" }));

  assert.equal(await other.count(), 0);
  await elsewhere.open(on("/dashboard/billing"));
  assert.equal(moves.pathOf(elsewhere.page), "/login");
});
