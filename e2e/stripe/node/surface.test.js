// Smaller parts: tax ids and rates, balance transactions, discounts, sources of money, and filters of lists.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checkout, customerWithCard, monthly, payment } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;
const price = await monthly(stripe, 2000);
const items = [{ price: price.id }];

test("a customer has tax ids, whose form is checked", async () => {
  const { id } = await stripe.customers.create({ tax_id_data: [{ type: "eu_vat", value: "DE123456789" }] });

  const added = await stripe.customers.createTaxId(id, { type: "us_ein", value: "12-3456789" });
  const listed = await stripe.customers.listTaxIds(id);
  const deleted = await stripe.customers.deleteTaxId(id, added.id);

  assert.deepEqual(listed.data.map(({ type }) => type).sort(), ["eu_vat", "us_ein"]);
  assert.equal(deleted.deleted, true);
  assert.equal((await stripe.customers.listTaxIds(id)).data.length, 1);
  await assert.rejects(stripe.customers.createTaxId(id, { type: "eu_vat", value: "nonsense" }), {
    code: "tax_id_invalid",
  });
});

test("a tax rate is created, changed, listed, and its percentage stays", async () => {
  const rate = await stripe.taxRates.create({
    display_name: "VAT",
    percentage: 19,
    inclusive: true,
    country: "DE",
  });

  const retired = await stripe.taxRates.update(rate.id, { active: false, metadata: { old: "1" } });
  const active = await stripe.taxRates.list({ active: true });

  assert.deepEqual([rate.percentage, rate.inclusive, retired.active], [19, true, false]);
  assert.ok(!active.data.some(({ id }) => id === rate.id));
  await assert.rejects(stripe.taxRates.update(rate.id, { percentage: 20 }), { code: "parameter_unknown" });
});

test("a charge and its refund are in the balance", async () => {
  const intent = await payment(stripe, "pm_card_visa", { expand: ["latest_charge.balance_transaction"] });
  const refund = await stripe.refunds.create({ payment_intent: intent.id, expand: ["balance_transaction"] });

  const entry = intent.latest_charge.balance_transaction;
  const listed = await stripe.balanceTransactions.list({ source: intent.latest_charge.id });
  assert.deepEqual([entry.type, entry.amount, entry.net], ["charge", 2000, 2000 - entry.fee]);
  assert.deepEqual([refund.balance_transaction.type, refund.balance_transaction.amount], ["refund", -2000]);
  assert.deepEqual(listed.data.map(({ id }) => id), [entry.id]);
  assert.equal((await stripe.balanceTransactions.retrieve(entry.id)).source, intent.latest_charge.id);
});

test("a customer's balance is changed by entries, which stay", async () => {
  const { id } = await stripe.customers.create();

  const entry = await stripe.customers.createBalanceTransaction(id, {
    amount: -700,
    currency: "usd",
    description: "Goodwill",
  });
  const changed = await stripe.customers.updateBalanceTransaction(id, entry.id, { description: "Sorry" });

  assert.deepEqual([entry.type, entry.ending_balance, changed.description], ["adjustment", -700, "Sorry"]);
  assert.equal((await stripe.customers.retrieve(id)).balance, -700);
  assert.equal((await stripe.customers.listBalanceTransactions(id)).data.length, 1);
});

test("a subscription's discount is deleted", async () => {
  const customer = await customerWithCard(stripe);
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "forever" });
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items,
    discounts: [{ coupon: coupon.id }],
  });

  const [deleted, types] = await shop.events(() => stripe.subscriptions.deleteDiscount(made.id));

  const next = await stripe.invoices.createPreview({ customer: customer.id, subscription: made.id });
  assert.deepEqual([made.discounts.length, deleted.deleted], [1, true]);
  assert.ok(types.includes("customer.discount.deleted"), String(types));
  assert.equal(next.total, 2000);
});

test("a deleted coupon stays with those who have it", async () => {
  const customer = await customerWithCard(stripe);
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "forever" });
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items,
    discounts: [{ coupon: coupon.id }],
  });

  await stripe.coupons.del(coupon.id);

  const next = await stripe.invoices.createPreview({ customer: customer.id, subscription: made.id });
  assert.equal(next.total, 1000);
  await assert.rejects(checkout(stripe, 2000, { discounts: [{ coupon: coupon.id }] }), {
    type: "StripeInvalidRequestError",
  });
});

test("an invoice that is sent has a due date and charges no card", async () => {
  const customer = await customerWithCard(stripe);
  await assert.rejects(
    stripe.subscriptions.create({ customer: customer.id, items, collection_method: "send_invoice" }),
    { type: "StripeInvalidRequestError" },
  );

  const [made, types] = await shop.events(() =>
    stripe.subscriptions.create({
      customer: customer.id,
      items,
      collection_method: "send_invoice",
      days_until_due: 14,
      expand: ["latest_invoice"],
    }),
  );
  const sent = await stripe.invoices.sendInvoice(made.latest_invoice.id);

  assert.deepEqual([made.status, made.latest_invoice.status], ["active", "draft"]);
  assert.deepEqual([sent.status, sent.amount_paid], ["open", 0]);
  assert.ok(sent.due_date >= sent.created + 14 * 86_400, `${sent.due_date}`);
  assert.ok(!types.some((type) => type.startsWith("charge.")), String(types));
});

test("another customer's card, and one without a customer, are refused for a subscription", async () => {
  const [ada, bob] = [await customerWithCard(stripe), await customerWithCard(stripe)];
  const card = bob.invoice_settings.default_payment_method;
  const loose = await stripe.paymentMethods.create({ type: "card", card: { token: "tok_visa" } });

  for (const default_payment_method of [card, loose.id]) {
    await assert.rejects(stripe.subscriptions.create({ customer: ada.id, items, default_payment_method }), {
      type: "StripeInvalidRequestError",
    });
  }
  assert.equal(loose.card.checks.cvc_check, "unchecked");
});

test("lists are filtered by what their objects say", async () => {
  const customer = await customerWithCard(stripe);
  const made = await stripe.subscriptions.create({ customer: customer.id, items });
  const end = made.items.data[0].current_period_end;
  const ids = async (list) => (await list).data.map(({ id }) => id);

  const { subscriptions, invoices } = stripe;
  const found = { customer: customer.id };
  assert.deepEqual(await ids(subscriptions.list({ ...found, price: price.id })), [made.id]);
  assert.deepEqual(await ids(subscriptions.list({ ...found, status: "past_due" })), []);
  assert.deepEqual(await ids(subscriptions.list({ ...found, current_period_end: { gte: end } })), [made.id]);
  assert.deepEqual(await ids(subscriptions.list({ ...found, current_period_end: { gt: end } })), []);
  assert.deepEqual(await ids(invoices.list({ ...found, status: "paid" })), [made.latest_invoice]);
  assert.deepEqual(await ids(invoices.list({ ...found, created: { gt: made.created + 60 } })), []);
  await assert.rejects(subscriptions.list({ status: "sleeping" }), { type: "StripeInvalidRequestError" });
});

test("a captured part is all that can be refunded, and an open authorization is canceled", async () => {
  const held = await payment(stripe, "pm_card_visa", { capture_method: "manual" });
  await assert.rejects(stripe.paymentIntents.capture(held.id, { amount_to_capture: 2001 }), {
    type: "StripeInvalidRequestError",
  });
  const captured = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 1500 });
  const other = await payment(stripe, "pm_card_visa", { capture_method: "manual" });
  const canceled = await stripe.paymentIntents.cancel(other.id);

  assert.deepEqual([held.status, held.amount_capturable], ["requires_capture", 2000]);
  assert.deepEqual([captured.status, captured.amount_received], ["succeeded", 1500]);
  assert.equal(canceled.status, "canceled");
  await assert.rejects(stripe.refunds.create({ payment_intent: held.id, amount: 1501 }), {
    type: "StripeInvalidRequestError",
  });
  assert.equal((await stripe.refunds.create({ payment_intent: held.id })).amount, 1500);
});

test("the portal opens at the flow that is asked for, and refuses what is impossible", async () => {
  const customer = await customerWithCard(stripe);
  const made = await stripe.subscriptions.create({ customer: customer.id, items });
  const { id: configuration } = await stripe.billingPortal.configurations.create({
    features: { subscription_cancel: { enabled: true, mode: "at_period_end" } },
  });
  const open = (flow_data) =>
    stripe.billingPortal.sessions.create({
      customer: customer.id,
      configuration,
      return_url: "https://shop.example/account",
      flow_data,
    });

  const session = await open({
    type: "subscription_cancel",
    subscription_cancel: { subscription: made.id },
    after_completion: { type: "redirect", redirect: { return_url: "https://shop.example/canceled" } },
  });
  const page = await (await fetch(session.url)).text();
  await stripe.subscriptions.cancel(made.id);

  assert.equal(session.flow.type, "subscription_cancel");
  assert.equal(session.flow.subscription_cancel.subscription, made.id);
  assert.match(page, /cancel/i);
  await assert.rejects(open({ type: "subscription_cancel", subscription_cancel: { subscription: made.id } }), {
    type: "StripeInvalidRequestError",
  });
});

testOfTheSchema(shop);
