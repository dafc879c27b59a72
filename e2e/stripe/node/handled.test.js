// The events that the product handles and that the command line cannot trigger: what makes them happen.

import assert from "node:assert/strict";
import { test } from "node:test";

import { customerWithCard, monthly, payment } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;
const [basic, pro] = [await monthly(stripe, 2000), await monthly(stripe, 5000)];

happens("refund.created", async () => {
  const intent = await payment(stripe);
  await stripe.refunds.create({ payment_intent: intent.id });
});

happens("refund.updated", async () => {
  const intent = await payment(stripe);
  const refund = await stripe.refunds.create({ payment_intent: intent.id });
  await stripe.refunds.update(refund.id, { metadata: { reason: "goodwill" } });
});

happens("refund.failed", async () => {
  const intent = await payment(stripe, "pm_card_refundFail");
  await stripe.refunds.create({ payment_intent: intent.id });
  await shop.advance("1d");
});

happens("charge.dispute.funds_withdrawn", () => payment(stripe, "pm_card_createDispute"));

happens("charge.dispute.funds_reinstated", async () => {
  const intent = await payment(stripe, "pm_card_createDispute");
  const [dispute] = (await stripe.disputes.list({ payment_intent: intent.id })).data;
  const evidence = { uncategorized_text: "winning_evidence" };
  await stripe.disputes.update(dispute.id, { evidence, submit: true });
  await shop.advance("1d");
});

happens("customer.subscription.resumed", async () => {
  const customer = await stripe.customers.create();
  const { id } = await subscribe(customer, {
    trial_period_days: 7,
    trial_settings: { end_behavior: { missing_payment_method: "pause" } },
  });
  const paused = await stripe.subscriptions.update(id, { trial_end: "now" });
  const card = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  await stripe.subscriptions.update(id, { default_payment_method: card.id });
  await stripe.subscriptions.resume(id);

  assert.equal(paused.status, "paused");
});

happens("customer.subscription.pending_update_applied", async () => {
  const { customer, pending } = await pendingUpdate();
  const card = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  await stripe.invoices.pay(pending.latest_invoice, { payment_method: card.id });

  const applied = await stripe.subscriptions.retrieve(pending.id);
  assert.equal(applied.pending_update, null);
  assert.equal(applied.items.data[0].price.id, pro.id);
});

happens("customer.subscription.pending_update_expired", async () => {
  const { pending } = await pendingUpdate();
  await shop.advance("24h");

  const expired = await stripe.subscriptions.retrieve(pending.id);
  assert.equal(expired.pending_update, null);
  assert.equal(expired.items.data[0].price.id, basic.id);
});

for (const type of ["subscription_schedule.expiring", "subscription_schedule.completed"]) {
  happens(type, async () => {
    const customer = await customerWithCard(stripe);
    await stripe.subscriptionSchedules.create({
      customer: customer.id,
      start_date: "now",
      end_behavior: "release",
      phases: [{ items: [{ price: basic.id }], duration: { interval: "month", interval_count: 1 } }],
    });
    await shop.advance("28d");
    await shop.advance("4d");
  });
}

happens("subscription_schedule.aborted", async () => {
  const customer = await customerWithCard(stripe);
  const { id } = await subscribe(customer);
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: id });
  const { start_date } = schedule.phases[0];
  await stripe.subscriptionSchedules.update(schedule.id, {
    phases: [{ items: [{ price: basic.id }], start_date, end_date: start_date + 365 * 86_400 }],
  });
  await failLater(customer);
  await shop.advance("70d");

  assert.equal((await stripe.subscriptions.retrieve(id)).status, "canceled");
});

testOfTheSchema(shop);

function happens(type, act) {
  test(type, async () => {
    const [, types] = await shop.events(act);
    assert.ok(types.includes(type), `${type} in ${types}`);
  });
}

function subscribe(customer, fields = {}) {
  return stripe.subscriptions.create({ customer: customer.id, items: [{ price: basic.id }], ...fields });
}

/** From now on this customer's card is declined. */
async function failLater(customer) {
  const bad = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: bad.id } });
}

/** A change to the larger price that waits for a payment which failed. */
async function pendingUpdate() {
  const customer = await customerWithCard(stripe);
  const { id, items } = await subscribe(customer);
  await failLater(customer);
  const pending = await stripe.subscriptions.update(id, {
    items: [{ id: items.data[0].id, price: pro.id }],
    payment_behavior: "pending_if_incomplete",
    proration_behavior: "always_invoice",
    billing_cycle_anchor: "now",
  });
  assert.equal(pending.pending_update.subscription_items[0].price.id, pro.id);
  assert.equal(pending.items.data[0].price.id, basic.id);
  return { customer, pending };
}
