// Subscriptions: previews, changes, schedules, the end, and what time does to them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { customerWithCard, monthly } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;
const [basic, pro] = [await monthly(stripe, 2000), await monthly(stripe, 5000)];

test("a subscription is created with a paid invoice of one month", async () => {
  const customer = await customerWithCard(stripe);

  const subscription = await subscribe(customer, { expand: ["latest_invoice"] });

  const [item] = subscription.items.data;
  const days = (item.current_period_end - item.current_period_start) / 86_400;
  const invoice = subscription.latest_invoice;
  assert.deepEqual([subscription.status, subscription.billing_mode.type], ["active", "flexible"]);
  assert.ok(days >= 28 && days <= 31, `${days} days`);
  assert.deepEqual([invoice.status, invoice.total, invoice.amount_paid], ["paid", 2000, 2000]);
  assert.equal(invoice.parent.subscription_details.subscription, subscription.id);
  assert.equal(invoice.lines.data[0].pricing.price_details.price, basic.id);
});

test("a preview says what a change will cost, and changes nothing", async () => {
  const customer = await customerWithCard(stripe);
  const subscription = await subscribe(customer);
  const change = halfway(subscription);

  const [preview, types] = await shop.events(() =>
    stripe.invoices.createPreview({
      customer: customer.id,
      subscription: subscription.id,
      subscription_details: change,
    }),
  );
  const unchanged = await stripe.subscriptions.retrieve(subscription.id);
  const [changed] = await shop.events(() =>
    stripe.subscriptions.update(subscription.id, { ...change, expand: ["latest_invoice"] }),
  );

  const amounts = ({ lines }) => lines.data.map(({ amount }) => amount).sort((a, b) => a - b);
  assert.deepEqual([preview.id?.startsWith("upcoming_in_") ?? true, types], [true, []]);
  assert.deepEqual([preview.total, amounts(preview)], [1500, [-1000, 2500]]);
  assert.equal(unchanged.items.data[0].price.id, basic.id);
  assert.equal(changed.items.data[0].price.id, pro.id);
  assert.equal(changed.latest_invoice.billing_reason, "subscription_update");
  assert.deepEqual([changed.latest_invoice.amount_paid, amounts(changed.latest_invoice)], [1500, [-1000, 2500]]);
});

test("a preview of the next invoice includes prorations that wait for it", async () => {
  const customer = await customerWithCard(stripe);
  const subscription = await subscribe(customer);

  const { proration_behavior, ...change } = halfway(subscription);
  const [, types] = await shop.events(() => stripe.subscriptions.update(subscription.id, change));
  const next = await stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id });

  assert.equal(proration_behavior, "always_invoice");
  assert.equal(types.filter((type) => type === "invoiceitem.created").length, 2, String(types));
  assert.ok(types.includes("customer.subscription.updated") && !types.includes("invoice.created"));
  assert.equal(next.total, -1000 + 2500 + 5000);
  assert.equal((await stripe.invoiceItems.list({ customer: customer.id, pending: true })).data.length, 2);
});

test("a coupon lowers what a subscription and its preview cost, once", async () => {
  const customer = await customerWithCard(stripe);
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
  const fields = { customer: customer.id, discounts: [{ coupon: coupon.id }] };

  const preview = await stripe.invoices.createPreview({
    ...fields,
    subscription_details: { items: [{ price: basic.id }] },
  });
  const made = await subscribe(customer, { discounts: fields.discounts, expand: ["latest_invoice"] });
  const next = await stripe.invoices.createPreview({ customer: customer.id, subscription: made.id });

  assert.deepEqual([preview.total, preview.total_discount_amounts[0].amount], [1000, 1000]);
  assert.equal(made.latest_invoice.total, 1000);
  assert.equal(next.total, 2000);
  assert.equal((await stripe.coupons.retrieve(coupon.id)).times_redeemed, 1);
});

test("quantities and metadata are changed, and an unknown item is refused", async () => {
  const customer = await customerWithCard(stripe);
  const { id, items } = await subscribe(customer);
  const item = items.data[0].id;

  const changed = await stripe.subscriptions.update(id, {
    items: [{ id: item, quantity: 3 }],
    metadata: { seats: "3" },
    proration_behavior: "none",
  });
  const byItem = await stripe.subscriptionItems.update(item, { quantity: 2, proration_behavior: "none" });

  assert.deepEqual([changed.items.data[0].quantity, changed.metadata.seats], [3, "3"]);
  assert.equal(byItem.quantity, 2);
  await assert.rejects(stripe.subscriptions.update(id, { items: [{ id: "si_missing", quantity: 1 }] }), {
    type: "StripeInvalidRequestError",
  });
});

test("a first payment that fails leaves the subscription incomplete, or nothing at all", async () => {
  const customer = await customerWithCard(stripe, "pm_card_chargeCustomerFail");

  const incomplete = await subscribe(customer, { expand: ["latest_invoice"] });
  const [, types] = await shop.events(() =>
    assert.rejects(subscribe(customer, { payment_behavior: "error_if_incomplete" }), {
      type: "StripeCardError",
      statusCode: 402,
    }),
  );

  assert.deepEqual([incomplete.status, incomplete.latest_invoice.status], ["incomplete", "open"]);
  assert.deepEqual(types, []);
  assert.equal((await stripe.subscriptions.list({ customer: customer.id, status: "all" })).data.length, 1);
});

test("a schedule moves a subscription to another price at the end of the period", async () => {
  const customer = await customerWithCard(stripe);
  const subscription = await subscribe(customer, { items: [{ price: pro.id }] });
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  const [phase] = schedule.phases;

  const planned = await stripe.subscriptionSchedules.update(schedule.id, {
    end_behavior: "release",
    phases: [
      { items: [{ price: pro.id }], start_date: phase.start_date, end_date: phase.end_date },
      { items: [{ price: basic.id }], duration: { interval: "month", interval_count: 1 } },
    ],
  });
  const [, types] = await shop.events(() => shop.advance("32d"));

  const moved = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
  assert.deepEqual([planned.status, planned.phases.length], ["active", 2]);
  assert.equal(moved.items.data[0].price.id, basic.id);
  assert.ok(types.includes("customer.subscription.updated"));
  const released = await stripe.subscriptionSchedules.release(schedule.id);
  assert.deepEqual([released.status, released.released_subscription], ["released", subscription.id]);
  assert.equal((await stripe.subscriptions.retrieve(subscription.id)).schedule, null);
});

test("a schedule from scratch begins a subscription", async () => {
  const customer = await customerWithCard(stripe);

  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    end_behavior: "cancel",
    phases: [
      { items: [{ price: basic.id }], duration: { interval: "month", interval_count: 1 }, metadata: { a: "1" } },
    ],
  });

  const subscription = await stripe.subscriptions.retrieve(schedule.subscription);
  assert.equal(schedule.status, "active");
  assert.deepEqual([subscription.status, subscription.metadata], ["active", { a: "1" }]);
  assert.equal((await stripe.subscriptionSchedules.cancel(schedule.id)).status, "canceled");
  assert.equal((await stripe.subscriptions.retrieve(schedule.subscription)).status, "canceled");
});

test("a renewal makes a draft, which is finalized and paid after an hour", async () => {
  const customer = await customerWithCard(stripe);
  const subscription = await subscribe(customer);
  const renewal = subscription.items.data[0].current_period_end;

  await shop.control("/_twin/clock", { to: String(renewal + 60) });
  const draft = await latestInvoice(subscription);
  await shop.advance("2h");

  const paid = await latestInvoice(subscription);
  assert.deepEqual([draft.status, draft.billing_reason], ["draft", "subscription_cycle"]);
  assert.equal(draft.automatically_finalizes_at, draft.created + 3601);
  assert.equal(draft.next_payment_attempt, draft.created + 3600);
  assert.deepEqual([paid.id, paid.status, paid.amount_paid], [draft.id, "paid", 2000]);
});

test("a renewal that is declined makes the subscription past due, and paying makes it active", async () => {
  const customer = await customerWithCard(stripe);
  const subscription = await subscribe(customer);
  const bad = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: bad.id } });

  const [, types] = await shop.events(() => shop.advance("32d"));
  const overdue = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
  await assert.rejects(stripe.invoices.pay(overdue.latest_invoice.id), { type: "StripeCardError" });
  const good = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  const paid = await stripe.invoices.pay(overdue.latest_invoice.id, { payment_method: good.id });

  assert.ok(types.includes("invoice.payment_failed"), String(types));
  assert.equal(overdue.status, "past_due");
  assert.ok(overdue.latest_invoice.attempt_count >= 1 && overdue.latest_invoice.next_payment_attempt);
  assert.equal(paid.status, "paid");
  assert.equal((await stripe.subscriptions.retrieve(subscription.id)).status, "active");
});

test("a subscription ends with its period, or does not, or at once", async () => {
  const customer = await customerWithCard(stripe);
  const [kept, ending, now] = [await subscribe(customer), await subscribe(customer), await subscribe(customer)];
  const { id } = ending;

  await stripe.subscriptions.update(kept.id, { cancel_at_period_end: true });
  const [undone, undoing] = await shop.events(() =>
    stripe.subscriptions.update(kept.id, { cancel_at_period_end: false }),
  );
  const asked = await stripe.subscriptions.update(id, { cancel_at_period_end: true });
  const [canceled, canceling] = await shop.events(() => stripe.subscriptions.cancel(now.id));
  await shop.advance("32d");

  assert.deepEqual([undone.cancel_at, undone.canceled_at], [null, null]);
  assert.deepEqual(undoing, ["customer.subscription.updated"]);
  assert.equal(asked.cancel_at, asked.items.data[0].current_period_end);
  assert.equal(asked.cancellation_details.reason, "cancellation_requested");
  assert.deepEqual([canceled.status, canceling], ["canceled", ["customer.subscription.deleted"]]);
  assert.equal((await stripe.subscriptions.retrieve(id)).status, "canceled");
  assert.equal((await stripe.subscriptions.retrieve(kept.id)).status, "active");
  await assert.rejects(stripe.subscriptions.cancel(id), { code: "resource_missing", statusCode: 404 });
});

test("the last invoice of a cancellation with prorations gives nothing back", async () => {
  const customer = await customerWithCard(stripe);
  const { id } = await subscribe(customer);

  const canceled = await stripe.subscriptions.cancel(id, { prorate: true, invoice_now: true });

  const last = await latestInvoice(canceled);
  assert.equal(canceled.status, "canceled");
  assert.equal(last.billing_reason, "subscription_cycle");
  assert.ok(["draft", "uncollectible"].includes(last.status), last.status);
  assert.equal((await stripe.customers.retrieve(customer.id)).balance, 0);
});

test("a trial without a card cannot be ended now", async () => {
  const customer = await stripe.customers.create();
  const trial = await subscribe(customer, { trial_period_days: 7 });

  await assert.rejects(stripe.subscriptions.update(trial.id, { trial_end: "now" }), {
    type: "StripeInvalidRequestError",
  });
});

test("a customer's subscriptions share one currency", async () => {
  const customer = await customerWithCard(stripe);
  await subscribe(customer);
  const euros = await monthly(stripe, 1000, { currency: "eur" });

  await assert.rejects(subscribe(customer, { items: [{ price: euros.id }] }), {
    type: "StripeInvalidRequestError",
  });
});

testOfTheSchema(shop);

function subscribe(customer, fields = {}) {
  return stripe.subscriptions.create({ customer: customer.id, items: [{ price: basic.id }], ...fields });
}

/** The change to the larger price at the exact middle of the period. */
function halfway({ items }) {
  const [item] = items.data;
  return {
    items: [{ id: item.id, price: pro.id }],
    proration_behavior: "always_invoice",
    proration_date: (item.current_period_start + item.current_period_end) / 2,
  };
}

async function latestInvoice({ id }) {
  return (await stripe.invoices.list({ subscription: id, limit: 1 })).data[0];
}
