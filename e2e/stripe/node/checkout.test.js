// Checkout in its three modes, promotion codes, refunds, disputes and the portal.

import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually } from "../../lib/demo.js";
import { checkout, customerWithCard, payment } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;

test("a payment session is paid by card", async () => {
  const customer = await stripe.customers.create({ email: "ada@lovelace.example" });
  const session = await checkout(stripe, 2000, { customer: customer.id, client_reference_id: "order-7" });

  const [paid, types] = await shop.events(() => shop.pay(session.id));

  const lines = await stripe.checkout.sessions.listLineItems(session.id);
  const intent = await stripe.paymentIntents.retrieve(paid.payment_intent, { expand: ["latest_charge"] });
  assert.deepEqual([session.status, session.payment_status], ["open", "unpaid"]);
  assert.ok(session.url.includes(session.id));
  assert.deepEqual([paid.status, paid.payment_status, paid.client_reference_id], ["complete", "paid", "order-7"]);
  assert.deepEqual([lines.data[0].amount_total, lines.data[0].description], [2000, "Credits"]);
  assert.deepEqual([intent.status, intent.amount_received, intent.latest_charge.paid], ["succeeded", 2000, true]);
  for (const type of ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]) {
    assert.ok(types.includes(type), type);
  }
  await assert.rejects(stripe.checkout.sessions.expire(session.id), { type: "StripeInvalidRequestError" });
});

test("a declined card leaves the session open", async () => {
  const session = await checkout(stripe, 2000);

  await assert.rejects(shop.pay(session.id, "pm_card_visa_chargeDeclined"), /declined/);
  const open = await stripe.checkout.sessions.retrieve(session.id);
  const paid = await shop.pay(session.id);

  assert.equal(open.status, "open");
  assert.equal(paid.payment_status, "paid");
});

test("a bank debit completes a session unpaid, and settles later", async () => {
  const [good, bad] = [await checkout(stripe, 2000), await checkout(stripe, 3000)];

  const completed = await shop.pay(good.id, "delayed");
  await shop.pay(bad.id, "delayed");
  const [, succeeded] = await shop.events(() => shop.settle(good.id, "succeeded"));
  const [, failed] = await shop.events(() => shop.settle(bad.id, "failed"));

  assert.deepEqual([completed.status, completed.payment_status], ["complete", "unpaid"]);
  assert.ok(succeeded.includes("checkout.session.async_payment_succeeded"), String(succeeded));
  assert.ok(failed.includes("checkout.session.async_payment_failed"), String(failed));
  assert.equal((await stripe.checkout.sessions.retrieve(good.id)).payment_status, "paid");
  assert.equal((await stripe.checkout.sessions.retrieve(bad.id)).payment_status, "unpaid");
});

test("a subscription session makes a subscription and one paid invoice", async () => {
  const customer = await stripe.customers.create({ email: "grace@hopper.example" });
  const session = await checkout(stripe, 1500, {
    mode: "subscription",
    customer: customer.id,
    subscription_data: { metadata: { plan: "pro" } },
  });

  const [paid, types] = await shop.events(() => shop.pay(session.id));

  const subscription = await stripe.subscriptions.retrieve(paid.subscription, { expand: ["latest_invoice"] });
  assert.deepEqual([subscription.status, subscription.metadata], ["active", { plan: "pro" }]);
  assert.equal(subscription.latest_invoice.billing_reason, "subscription_create");
  assert.equal(subscription.latest_invoice.amount_paid, 1500);
  for (const type of ["customer.subscription.created", "invoice.paid", "invoice.payment_succeeded"]) {
    assert.equal(types.filter((one) => one === type).length, 1, type);
  }
});

test("a setup session saves a card", async () => {
  const customer = await stripe.customers.create();
  const session = await stripe.checkout.sessions.create({
    mode: "setup",
    currency: "usd",
    customer: customer.id,
    success_url: "https://shop.example/done",
  });

  const done = await shop.pay(session.id);

  const intent = await stripe.setupIntents.retrieve(done.setup_intent);
  const methods = await stripe.customers.listPaymentMethods(customer.id);
  assert.equal(done.payment_status, "no_payment_required");
  assert.equal(intent.status, "succeeded");
  assert.deepEqual(methods.data.map(({ id }) => id), [intent.payment_method]);
});

test("an expired session cannot be paid", async () => {
  const session = await checkout(stripe, 2000);

  const [expired, types] = await shop.events(() => stripe.checkout.sessions.expire(session.id));

  assert.deepEqual([expired.status, expired.url, types], ["expired", null, ["checkout.session.expired"]]);
  await assert.rejects(shop.pay(session.id));
});

test("a promotion code lowers a session's total, as often as it may", async () => {
  const coupon = await stripe.coupons.create({ percent_off: 25, duration: "once" });
  const code = await stripe.promotionCodes.create({
    promotion: { type: "coupon", coupon: coupon.id },
    code: "QUARTER",
    max_redemptions: 1,
  });
  const discounts = [{ promotion_code: code.id }];

  const session = await checkout(stripe, 2000, { discounts });
  const paid = await shop.pay(session.id);

  const [found] = (await stripe.promotionCodes.list({ code: "QUARTER" })).data;
  assert.deepEqual([session.amount_total, session.total_details.amount_discount], [1500, 500]);
  assert.equal(paid.amount_total, 1500);
  assert.equal(found.times_redeemed, 1);
  assert.equal((await stripe.coupons.retrieve(coupon.id)).times_redeemed, 1);
  await assert.rejects(checkout(stripe, 2000, { discounts }), { type: "StripeInvalidRequestError" });
});

test("an inactive promotion code, and a second active one of its name, are refused", async () => {
  const coupon = await stripe.coupons.create({ amount_off: 500, currency: "usd", duration: "forever" });
  const promotion = { type: "coupon", coupon: coupon.id };
  const code = await stripe.promotionCodes.create({ promotion, code: "FIVE" });

  await assert.rejects(stripe.promotionCodes.create({ promotion, code: "five" }), {
    type: "StripeInvalidRequestError",
  });
  await stripe.promotionCodes.update(code.id, { active: false });

  await assert.rejects(checkout(stripe, 2000, { discounts: [{ promotion_code: code.id }] }), {
    type: "StripeInvalidRequestError",
  });
});

test("a payment is refunded in parts, and never beyond what was paid", async () => {
  const intent = await payment(stripe);

  const [part, types] = await shop.events(() =>
    stripe.refunds.create({ payment_intent: intent.id, amount: 500, reason: "requested_by_customer" }),
  );
  await assert.rejects(stripe.refunds.create({ payment_intent: intent.id, amount: 1501 }), {
    type: "StripeInvalidRequestError",
    message: "Refund amount ($15.01) is greater than unrefunded amount on charge ($15.00)",
  });
  const partly = await stripe.charges.retrieve(intent.latest_charge);
  const rest = await stripe.refunds.create({ charge: intent.latest_charge });
  const wholly = await stripe.charges.retrieve(intent.latest_charge);

  assert.deepEqual([part.status, part.amount, rest.amount], ["succeeded", 500, 1500]);
  for (const type of ["refund.created", "charge.refunded"]) assert.ok(types.includes(type), type);
  assert.deepEqual([partly.amount_refunded, partly.refunded], [500, false]);
  assert.deepEqual([wholly.amount_refunded, wholly.refunded], [2000, true]);
  await assert.rejects(stripe.refunds.create({ charge: intent.latest_charge }), {
    code: "charge_already_refunded",
  });
  assert.equal((await stripe.refunds.list({ payment_intent: intent.id })).data.length, 2);
});

test("a refund of some cards comes later, or fails later", async () => {
  const pending = await payment(stripe, "pm_card_pendingRefund");
  const failing = await payment(stripe, "pm_card_refundFail");

  const waiting = await stripe.refunds.create({ payment_intent: pending.id });
  const failed = await stripe.refunds.create({ payment_intent: failing.id });
  await shop.advance("1d");

  assert.deepEqual([waiting.status, failed.status], ["pending", "succeeded"]);
  assert.equal((await stripe.refunds.retrieve(waiting.id)).status, "succeeded");
  assert.equal((await stripe.refunds.retrieve(failed.id)).status, "failed");
});

test("evidence decides a dispute", async () => {
  for (const [text, status] of [["winning_evidence", "won"], ["losing_evidence", "lost"]]) {
    const intent = await payment(stripe, "pm_card_createDispute");
    const dispute = await eventually("the dispute", async () => {
      return (await stripe.disputes.list({ payment_intent: intent.id })).data[0];
    });

    await stripe.disputes.update(dispute.id, { evidence: { uncategorized_text: text }, submit: true });
    await shop.advance("1d");

    const closed = await stripe.disputes.retrieve(dispute.id);
    assert.deepEqual([dispute.status, dispute.reason], ["needs_response", "fraudulent"]);
    assert.equal(closed.status, status);
  }
  const types = (await stripe.events.list({ limit: 100 })).data.map(({ type }) => type);
  for (const type of ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"]) {
    assert.ok(types.includes(`charge.dispute.${type}`), type);
  }
});

test("a portal session opens without a configuration, and with one of its own", async () => {
  const customer = await customerWithCard(stripe);
  const configuration = await stripe.billingPortal.configurations.create({
    features: { invoice_history: { enabled: true }, payment_method_update: { enabled: true } },
  });

  const plain = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    return_url: "https://shop.example/account",
  });
  const own = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    configuration: configuration.id,
    return_url: "https://shop.example/account",
  });
  const page = await fetch(own.url);

  assert.equal((await stripe.billingPortal.configurations.retrieve(plain.configuration)).is_default, true);
  assert.equal(own.configuration, configuration.id);
  assert.equal(page.status, 200);
});

testOfTheSchema(shop);
