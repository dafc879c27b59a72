// Events: what is delivered, how it is signed, and the order in which things happen.

import assert from "node:assert/strict";
import { test } from "node:test";
import Stripe from "stripe";

import { eventually } from "../../lib/demo.js";
import { startReceiver } from "../lib/receiver.js";
import { customerWithCard, monthly, payment } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;
const receiver = await startReceiver(shop.recorder.faults);

test("a delivered event is signed, and is the listed event", async () => {
  const endpoint = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["customer.created", "customer.updated"],
  });

  const customer = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "ada-1" });
  const [listed] = (await stripe.events.list({ type: "customer.created", limit: 1 })).data;
  const [{ body, headers }] = await receiver.deliveriesOf(listed.id);

  const signature = headers["stripe-signature"];
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret);
  assert.match(endpoint.secret, /^whsec_/);
  assert.equal((await stripe.webhookEndpoints.retrieve(endpoint.id)).secret, undefined);
  assert.equal(event.data.object.id, customer.id);
  assert.equal(event.request.idempotency_key, "ada-1");
  assert.equal(event.livemode, false);
  for (const forged of [
    () => stripe.webhooks.constructEvent(`${body} `, signature, endpoint.secret),
    () => stripe.webhooks.constructEvent(body, signature, "whsec_other"),
    () => stripe.webhooks.constructEvent(body, "t=1,v1=00", endpoint.secret),
  ]) {
    assert.throws(forged, Stripe.errors.StripeSignatureVerificationError);
  }
});

test("only the enabled types are delivered, and none to a deleted endpoint", async () => {
  const before = receiver.received.length;
  const [endpoint] = (await stripe.webhookEndpoints.list()).data;

  await stripe.products.create({ name: "Not asked for" });
  const ada = await stripe.customers.create({ name: "Last" });
  await eventually("the delivery", () => receiver.received.some(({ event }) => event.data.object.id === ada.id));
  await stripe.webhookEndpoints.del(endpoint.id);
  await stripe.customers.create({ name: "After" });
  await new Promise((resolve) => setTimeout(resolve, 500));

  const types = receiver.received.slice(before).map(({ event }) => event.type);
  assert.deepEqual(types, ["customer.created"]);
});

test("a failed delivery comes again, with the same id and a new signature", async () => {
  const endpoint = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["coupon.created"],
  });
  receiver.answerWith(500);

  await stripe.coupons.create({ percent_off: 10, duration: "once" });
  const [event] = (await stripe.events.list({ type: "coupon.created", limit: 1 })).data;
  const deliveries = await receiver.deliveriesOf(event.id, 2);

  for (const { body, headers } of deliveries) {
    stripe.webhooks.constructEvent(body, headers["stripe-signature"], endpoint.secret);
  }
  await eventually("no delivery left", async () => {
    return (await stripe.events.retrieve(event.id)).pending_webhooks === 0;
  });
  await stripe.webhookEndpoints.del(endpoint.id);
});

test("while a secret is rolled, both sign", async () => {
  const endpoint = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["price.created"],
  });
  const { secret } = await shop.control(`/_twin/webhook-endpoints/${endpoint.id}/roll`, { expires_in: "1h" });

  await monthly(stripe, 700);
  const [event] = (await stripe.events.list({ type: "price.created", limit: 1 })).data;
  const [{ body, headers }] = await receiver.deliveriesOf(event.id);

  assert.notEqual(secret, endpoint.secret);
  for (const one of [secret, endpoint.secret]) {
    assert.equal(stripe.webhooks.constructEvent(body, headers["stripe-signature"], one).id, event.id);
  }
  await stripe.webhookEndpoints.del(endpoint.id);
});

test("an unknown type of event cannot be enabled", async () => {
  await assert.rejects(
    stripe.webhookEndpoints.create({ url: receiver.url, enabled_events: ["customer.vanished"] }),
    { type: "StripeInvalidRequestError" },
  );
});

test("a changed object's event says what it was before, key by key", async () => {
  const ada = await stripe.customers.create({ name: "Ada", metadata: { kept: "1" } });
  const product = await stripe.products.create({ name: "Short-lived" });

  await stripe.customers.update(ada.id, { name: "Ada L.", metadata: { added: "2" } });
  await stripe.products.del(product.id);

  const last = async (type) => (await stripe.events.list({ type, limit: 1 })).data[0].data;
  const { previous_attributes: previous } = await last("customer.updated");
  assert.deepEqual(JSON.parse(JSON.stringify(previous)), { metadata: { added: null }, name: "Ada" });
  assert.equal((await last("product.deleted")).object.active, false);
});

test("the events of a payment come in Stripe's order", async () => {
  const [, paid] = await shop.events(() => payment(stripe));
  const [, declined] = await shop.events(() => payment(stripe, "pm_card_visa_chargeDeclined").catch(() => {}));
  const [, asked] = await shop.events(() =>
    payment(stripe, "pm_card_authenticationRequired", { off_session: false }),
  );

  assert.deepEqual(paid, ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]);
  assert.deepEqual(declined, ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
  assert.deepEqual(asked, ["payment_intent.created", "payment_intent.requires_action"]);
});

test("the events of a new subscription are those of one paid invoice", async () => {
  const customer = await customerWithCard(stripe);
  const price = await monthly(stripe, 2000);

  const [, types] = await shop.events(() =>
    stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] }),
  );

  for (const type of [
    "invoice.created",
    "invoice.finalized",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
    "customer.subscription.created",
  ]) {
    assert.equal(types.filter((one) => one === type).length, 1, `${type} in ${types}`);
  }
});

test("the events of an upgrade that is invoiced at once are those of one invoice of two lines", async () => {
  const customer = await customerWithCard(stripe);
  const [basic, pro] = [await monthly(stripe, 2000), await monthly(stripe, 5000)];
  const { id, items } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: basic.id }],
  });

  const [, types] = await shop.events(() =>
    stripe.subscriptions.update(id, {
      items: [{ id: items.data[0].id, price: pro.id }],
      proration_behavior: "always_invoice",
    }),
  );

  const counts = {
    "invoiceitem.created": 2,
    "invoice.created": 1,
    "invoice.finalized": 1,
    "charge.succeeded": 1,
    "invoice.paid": 1,
    "invoice.payment_succeeded": 1,
    "customer.subscription.updated": 1,
  };
  for (const [type, count] of Object.entries(counts)) {
    assert.equal(types.filter((one) => one === type).length, count, `${type} in ${types}`);
  }
});

test("a trial begins with an invoice of nothing, which is paid without a charge", async () => {
  const customer = await stripe.customers.create();
  const price = await monthly(stripe, 2000);

  const [subscription, types] = await shop.events(() =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      trial_period_days: 14,
      trial_settings: { end_behavior: { missing_payment_method: "pause" } },
    }),
  );

  assert.equal(subscription.status, "trialing");
  assert.match(subscription.pending_setup_intent, /^seti_/);
  assert.ok(types.includes("invoice.paid"));
  assert.ok(types.includes("invoice.payment_succeeded"));
  assert.ok(!types.some((type) => /^charge|^payment_intent/.test(type)), String(types));
});

testOfTheSchema(shop);
