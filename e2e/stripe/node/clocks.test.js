// Test clocks: a customer who belongs to one lives by it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually } from "../../lib/demo.js";
import { customerWithCard, monthly } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const DAY = 86_400;
const START = 1_767_225_600; // 1 January 2026

const shop = await startTwin();
const { stripe } = shop;
const { testClocks } = stripe.testHelpers;

test("a clock is created, listed, advanced and deleted", async () => {
  const [clock, created] = await shop.events(() => testClocks.create({ frozen_time: START, name: "January" }));
  const listed = await testClocks.list();
  const [, advanced] = await shop.events(async () => {
    await testClocks.advance(clock.id, { frozen_time: START + DAY });
    await ready(clock);
  });
  const [deleted, gone] = await shop.events(() => testClocks.del(clock.id));

  assert.deepEqual([clock.status, clock.frozen_time, clock.name], ["ready", START, "January"]);
  assert.deepEqual(listed.data.map(({ id }) => id), [clock.id]);
  assert.deepEqual({ ...deleted }, { id: clock.id, object: "test_helpers.test_clock", deleted: true });
  assert.deepEqual(created, ["test_helpers.test_clock.created"]);
  assert.deepEqual(advanced, ["test_helpers.test_clock.advancing", "test_helpers.test_clock.ready"]);
  assert.ok(gone.includes("test_helpers.test_clock.deleted"));
  await assert.rejects(testClocks.retrieve(clock.id), { code: "resource_missing" });
});

test("a subscription of a clock's customer renews as the clock passes, and no other does", async () => {
  const clock = await testClocks.create({ frozen_time: START });
  const price = await monthly(stripe, 2000);
  const items = [{ price: price.id }];
  const bound = await customerWithCard(stripe, "pm_card_visa", { test_clock: clock.id });
  const free = await customerWithCard(stripe);
  const subscription = await stripe.subscriptions.create({ customer: bound.id, items });
  const other = await stripe.subscriptions.create({ customer: free.id, items });

  const [advancing, types] = await shop.events(async () => {
    const answer = await testClocks.advance(clock.id, { frozen_time: START + 33 * DAY });
    await ready(clock);
    return answer;
  });

  const invoices = async (id) => (await stripe.invoices.list({ subscription: id })).data;
  const renewed = await stripe.subscriptions.retrieve(subscription.id);
  assert.equal(advancing.status, "advancing");
  assert.deepEqual([bound.test_clock, subscription.test_clock], [clock.id, clock.id]);
  assert.equal(subscription.start_date, START);
  assert.equal(renewed.items.data[0].current_period_start, START + 31 * DAY);
  assert.deepEqual((await invoices(subscription.id)).map(({ amount_paid: paid }) => paid), [2000, 2000]);
  assert.equal((await invoices(other.id)).length, 1);
  assert.equal(types.filter((type) => type === "invoice.paid").length, 1, String(types));
});

// https://github.com/stripe/stripe-python/issues/1183
test("a payment of a clock's customer was made in real time", async () => {
  const clock = await testClocks.create({ frozen_time: START });
  const price = await monthly(stripe, 2000);
  const customer = await customerWithCard(stripe, "pm_card_visa", { test_clock: clock.id });
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });

  const [intent] = (await stripe.paymentIntents.list({ customer: customer.id })).data;

  assert.ok(Math.abs(intent.created - price.created) < 3600, `${intent.created} and ${price.created}`);
});

test("a clock neither goes back nor leaps over two periods", async () => {
  const clock = await testClocks.create({ frozen_time: START });
  const price = await monthly(stripe, 2000);
  const customer = await customerWithCard(stripe, "pm_card_visa", { test_clock: clock.id });
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });

  for (const frozen_time of [START - 1, START, START + 100 * DAY]) {
    await assert.rejects(testClocks.advance(clock.id, { frozen_time }), {
      type: "StripeInvalidRequestError",
      statusCode: 400,
    });
  }
});

test("a deleted clock takes its customers along", async () => {
  const clock = await testClocks.create({ frozen_time: START });
  const customer = await customerWithCard(stripe, "pm_card_visa", { test_clock: clock.id });

  const found = await stripe.customers.list({ test_clock: clock.id });
  await testClocks.del(clock.id);

  assert.deepEqual(found.data.map(({ id }) => id), [customer.id]);
  assert.equal((await stripe.customers.retrieve(customer.id)).deleted, true);
});

test("objects of two clocks do not mix", async () => {
  const [one, two] = [
    await testClocks.create({ frozen_time: START }),
    await testClocks.create({ frozen_time: START }),
  ];
  await customerWithCard(stripe, "pm_card_visa", { test_clock: one.id });
  await customerWithCard(stripe, "pm_card_visa", { test_clock: two.id });

  const plain = await stripe.customers.list({ limit: 100 });
  const ofOne = await stripe.customers.list({ test_clock: one.id });

  assert.ok(!plain.data.some(({ test_clock: clock }) => [one.id, two.id].includes(clock)));
  assert.equal(ofOne.data.length, 1);
});

testOfTheSchema(shop);

async function ready({ id }) {
  await eventually("the clock to be ready", async () => {
    const { status } = await testClocks.retrieve(id);
    if (status === "internal_failure") throw new Error("The clock failed.");
    return status === "ready";
  });
}
