// `stripe trigger` of every event whose objects the twin serves: the event happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFile } from "node:fs/promises";

import { eventually } from "../../lib/demo.js";
import { commandLine } from "../lib/cli.js";
import { testOfTheSchema, startTwin } from "../lib/twin.js";

/** Triggers of objects that the twin doesn't serve; the product reads none of them. */
const NOT_SERVED = new RegExp(
  "^(account|balance|cash_balance|customer\\.source|customer_cash_balance_transaction|identity" +
    "|issuing\\w*|payment_link|payout|plan|quote|reporting|topup|transfer|v1)\\." +
    "|^payment_intent\\.partially_funded$",
);

/**
 * Triggers whose requests do not lead to their event by what Stripe documents: both subscriptions have
 * no card, one is given up before its schedule is completed, and the clock of the other stops nine
 * days before the end, two before the notice. `node/handled.test.js` makes these events happen.
 */
const NOT_REACHED = ["subscription_schedule.completed", "subscription_schedule.expiring"];

/** Triggers that name coupons as older versions of the API did; a newer version refuses them. */
const OLDER = /^(customer\.discount|promotion_code)\./;

/** Triggers whose requests cause another event than their name says. */
const CAUSES = {
  "subscription.payment_failed": "invoice.payment_failed",
  "subscription.payment_succeeded": "invoice.payment_succeeded",
  // Its requests cancel a schedule; Stripe aborts one only if its subscription was not paid for.
  "subscription_schedule.aborted": "subscription_schedule.canceled",
};

/** Events of the bank, which come some time after what the trigger does. */
const LATER = /^checkout\.session\.async_payment_|^charge\.refund\.updated$/;

/** Events that the product handles and that the command line has no trigger for. */
const WITHOUT_TRIGGER = [
  "charge.dispute.funds_reinstated",
  "charge.dispute.funds_withdrawn",
  "customer.subscription.pending_update_applied",
  "customer.subscription.pending_update_expired",
  "customer.subscription.resumed",
  "refund.created",
  "refund.failed",
  "refund.updated",
];

const shop = await startTwin();
const cli = await commandLine(shop.recorder.url);
const help = await cli.plain("trigger", "--help");
const triggers = help.match(/^ {2}[a-z]\w*(\.\w+)+$/gm).map((line) => line.trim());

test("every event that the product handles has a trigger, with known exceptions", async () => {
  const source = new URL("../../../crates/stripe/src/event.rs", import.meta.url);
  const list = /HANDLED_EVENTS: [^\n]*\[([^\]]*)\]/.exec(await readFile(source, "utf8"))[1];
  const handled = list.match(/[a-z_.]+/g);

  assert.deepEqual(handled.filter((type) => !triggers.includes(type)), WITHOUT_TRIGGER);
  assert.deepEqual(handled.filter((type) => NOT_SERVED.test(type)), []);
});

test("a trigger makes its event happen", async (context) => {
  const served = triggers.filter((name) => !NOT_SERVED.test(name) && !NOT_REACHED.includes(name));
  for (const trigger of served) {
    await context.test(trigger, () => happens(trigger));
  }
});

async function happens(trigger) {
  const type = CAUSES[trigger] ?? trigger;
  const before = await newest(type);

  const version = OLDER.test(trigger) ? ["--api-version", "2025-02-24.acacia"] : [];
  await cli.run("trigger", trigger, ...version);

  if (LATER.test(trigger)) await shop.advance("1h");
  await eventually(`an event ${type}`, async () => (await newest(type)) !== before, 2);
}

async function newest(type) {
  const { data } = await shop.stripe.events.list({ type, limit: 1 });
  return data[0]?.id;
}

testOfTheSchema(shop);
