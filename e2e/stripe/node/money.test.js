// Prorations to the cent, and what becomes of amounts that are not charged.

import assert from "node:assert/strict";
import { test } from "node:test";

import { customerWithCard, monthly } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;

test("each line of a proration is rounded down separately", async () => {
  // From price to price at a share of the period: the credit, the debit.
  const cases = [
    [5, 9, 1 / 2, -3, 4],
    [1000, 500, 1 / 3, -667, 333],
    [2000, 5000, 1 / 2, -1000, 2500],
  ];
  for (const [from, to, share, credit, debit] of cases) {
    const { customer, subscription } = await subscribed(from);
    const preview = await previewed(customer, subscription, share, { price: (await monthly(stripe, to)).id });

    assert.deepEqual(amounts(preview), [credit, debit], `${from} to ${to}`);
    assert.equal(preview.total, credit + debit);
  }
});

test("another quantity prorates the whole item", async () => {
  const { customer, subscription } = await subscribed(1000);

  const preview = await previewed(customer, subscription, 1 / 2, { quantity: 3 });

  assert.deepEqual(amounts(preview), [-500, 1500]);
});

test("a credit goes to the customer's balance, and pays the next invoice", async () => {
  const { customer, subscription } = await subscribed(5000);
  const basic = await monthly(stripe, 2000);

  const changed = await changedTo(subscription, 1 / 2, { price: basic.id });
  const credited = await stripe.customers.retrieve(customer.id);
  const next = await stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id });
  const [entry] = (await stripe.customers.listBalanceTransactions(customer.id)).data;

  const invoice = changed.latest_invoice;
  assert.deepEqual([invoice.total, invoice.status, invoice.amount_paid], [-1500, "paid", 0]);
  assert.equal(credited.balance, -1500);
  assert.deepEqual([next.starting_balance, next.amount_due], [-1500, 500]);
  assert.deepEqual([entry.amount, entry.ending_balance], [-1500, -1500]);
});

test("an amount below the minimum is not charged, and waits in the balance", async () => {
  const { customer, subscription } = await subscribed(1000);
  const dearer = await monthly(stripe, 1020);

  const [changed, types] = await shop.events(() => changedTo(subscription, 1 / 2, { price: dearer.id }));

  const [entry] = (await stripe.customers.listBalanceTransactions(customer.id)).data;
  assert.equal(changed.latest_invoice.total, 10);
  assert.deepEqual([changed.latest_invoice.status, changed.latest_invoice.amount_due], ["paid", 0]);
  assert.ok(!types.some((type) => type.startsWith("charge.")), String(types));
  assert.equal((await stripe.customers.retrieve(customer.id)).balance, 10);
  assert.deepEqual([entry.type, entry.amount], ["invoice_too_small", 10]);
});

test("a payment below the minimum is refused", async () => {
  await assert.rejects(stripe.paymentIntents.create({ amount: 49, currency: "usd" }), {
    code: "amount_too_small",
    type: "StripeInvalidRequestError",
  });
});

test("a credit follows what was paid: half price brings half of it back", async () => {
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "forever" });
  const { subscription } = await subscribed(2000, { discounts: [{ coupon: coupon.id }] });
  const pro = await monthly(stripe, 5000);

  const changed = await changedTo(subscription, 1 / 2, { price: pro.id });

  // Half a month of 50.00 at half price, less half of the 10.00 that was paid.
  assert.equal(changed.latest_invoice.total, 1250 - 500);
});

test("an invoice of its own is drafted, finalized and paid; a finished one stays", async () => {
  const customer = await customerWithCard(stripe);
  const draft = await stripe.invoices.create({ customer: customer.id, auto_advance: false });
  await stripe.invoiceItems.create({
    customer: customer.id,
    invoice: draft.id,
    amount: 1200,
    currency: "usd",
    description: "Setup",
  });

  const open = await stripe.invoices.finalizeInvoice(draft.id);
  const paid = await stripe.invoices.pay(draft.id);

  assert.deepEqual([draft.status, open.status, open.amount_due], ["draft", "open", 1200]);
  assert.deepEqual([paid.status, paid.amount_paid], ["paid", 1200]);
  assert.ok(open.number && open.hosted_invoice_url && open.invoice_pdf);
  for (const refused of [
    () => stripe.invoices.pay(draft.id),
    () => stripe.invoices.voidInvoice(draft.id),
    () => stripe.invoices.del(draft.id),
    () => stripe.invoiceItems.create({ customer: customer.id, invoice: draft.id, amount: 1, currency: "usd" }),
  ]) {
    await assert.rejects(refused(), { type: "StripeInvalidRequestError" });
  }
});

test("a credit note returns part of a paid invoice", async () => {
  const { subscription } = await subscribed(2000);
  const invoice = subscription.latest_invoice;

  const preview = await stripe.creditNotes.preview({ invoice, amount: 500, refund_amount: 500 });
  const note = await stripe.creditNotes.create({ invoice, amount: 500, refund_amount: 500 });

  assert.deepEqual([preview.amount, note.amount, note.status], [500, 500, "issued"]);
  assert.equal((await stripe.invoices.retrieve(invoice)).post_payment_credit_notes_amount, 500);
});

test("a tax rate is added to what an invoice asks for", async () => {
  const customer = await customerWithCard(stripe);
  const rate = await stripe.taxRates.create({ display_name: "VAT", percentage: 20, inclusive: false });
  const price = await monthly(stripe, 2000);

  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_tax_rates: [rate.id],
    expand: ["latest_invoice"],
  });

  const invoice = subscription.latest_invoice;
  assert.deepEqual([invoice.subtotal, invoice.total, invoice.total_excluding_tax], [2000, 2400, 2000]);
  assert.equal(invoice.total_taxes[0].amount, 400);
});

testOfTheSchema(shop);

async function subscribed(amount, fields = {}) {
  const customer = await customerWithCard(stripe);
  const price = await monthly(stripe, amount);
  const items = [{ price: price.id }];
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items, ...fields });
  return { customer, subscription };
}

/** A change when `share` of the period has passed, with an invoice at once. */
function change({ items }, share, fields) {
  const { id, current_period_start: start, current_period_end: end } = items.data[0];
  return {
    items: [{ id, ...fields }],
    proration_behavior: "always_invoice",
    proration_date: Math.round(start + (end - start) * share),
  };
}

function previewed(customer, subscription, share, fields) {
  return stripe.invoices.createPreview({
    customer: customer.id,
    subscription: subscription.id,
    subscription_details: change(subscription, share, fields),
  });
}

function changedTo(subscription, share, fields) {
  const params = { ...change(subscription, share, fields), expand: ["latest_invoice"] };
  return stripe.subscriptions.update(subscription.id, params);
}

function amounts({ lines }) {
  return lines.data.map(({ amount }) => amount).sort((a, b) => a - b);
}
