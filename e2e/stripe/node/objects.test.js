// Customers and the catalog; paging, expanding and searching.

import assert from "node:assert/strict";
import { test } from "node:test";

import { customerWithCard, monthly } from "../lib/samples.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;

test("a customer is created, changed, read and deleted", async () => {
  const { customers } = stripe;

  const ada = await customers.create({ name: "Ada", metadata: { a: "1", b: "2" } });
  const changed = await customers.update(ada.id, { name: "", metadata: { a: "", c: "3" } });
  const deleted = await customers.del(ada.id);
  const read = await customers.retrieve(ada.id);

  assert.deepEqual([ada.object, ada.livemode], ["customer", false]);
  assert.equal(changed.name, null);
  assert.deepEqual(changed.metadata, { b: "2", c: "3" });
  assert.deepEqual({ ...deleted }, { id: ada.id, object: "customer", deleted: true });
  assert.equal(read.deleted, true);
  await assert.rejects(customers.update(ada.id, { name: "Bob" }), { code: "resource_missing" });
});

test("a product has prices, which can be changed a little and never deleted", async () => {
  const product = await stripe.products.create({ name: "Pro", metadata: { tier: "pro" } });
  const price = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 1900,
    recurring: { interval: "month" },
    lookup_key: "pro",
  });
  const moved = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 2900,
    recurring: { interval: "month" },
    lookup_key: "pro",
    transfer_lookup_key: true,
  });

  const renamed = await stripe.products.update(product.id, { default_price: moved.id, name: "Pro+" });
  const retired = await stripe.prices.update(price.id, { active: false });
  const found = await stripe.prices.list({ lookup_keys: ["pro"], expand: ["data.product"] });

  assert.deepEqual([renamed.name, renamed.default_price], ["Pro+", moved.id]);
  assert.equal(retired.active, false);
  assert.deepEqual(found.data.map(({ id }) => id), [moved.id]);
  assert.equal(found.data[0].product.name, "Pro+");
  await assert.rejects(stripe.products.del(product.id), { type: "StripeInvalidRequestError" });
  await assert.rejects(
    stripe.prices.create({ product: product.id, currency: "usd", unit_amount: 1, lookup_key: "pro" }),
    { type: "StripeInvalidRequestError" },
  );
});

test("twenty-five customers are paged through, in both directions", async () => {
  const email = "page@lovelace.example";
  const made = [];
  for (let number = 0; number < 25; number += 1) {
    made.push((await stripe.customers.create({ name: `Customer ${number}`, email })).id);
  }
  const newestFirst = [...made].reverse();
  const ids = ({ data }) => data.map(({ id }) => id);

  const all = [];
  for await (const customer of stripe.customers.list({ email, limit: 10 })) all.push(customer.id);
  const backward = stripe.customers.list({ email, limit: 10, ending_before: newestFirst[24] });
  const first = await stripe.customers.list({ email });
  const after = await stripe.customers.list({ email, limit: 20, starting_after: newestFirst[9] });
  const before = await stripe.customers.list({ email, limit: 5, ending_before: newestFirst[9] });

  assert.deepEqual(all, newestFirst);
  assert.deepEqual(ids({ data: await backward.autoPagingToArray({ limit: 100 }) }), made.slice(1));
  assert.deepEqual([ids(first), first.has_more], [newestFirst.slice(0, 10), true]);
  assert.deepEqual([ids(after), after.has_more], [newestFirst.slice(10), false]);
  assert.deepEqual([ids(before), before.has_more], [newestFirst.slice(4, 9), true]);
});

test("a cursor must exist, and only one is accepted", async () => {
  const { id } = await stripe.customers.create();

  await assert.rejects(stripe.customers.list({ starting_after: "cus_missing" }), {
    statusCode: 400,
    code: "resource_missing",
    param: "starting_after",
  });
  await assert.rejects(stripe.customers.list({ starting_after: id, ending_before: id }), {
    statusCode: 400,
    type: "StripeInvalidRequestError",
  });
});

test("a limit beyond the range is taken as the nearest", async () => {
  await stripe.products.create({ name: "One" });
  await stripe.products.create({ name: "Two" });

  assert.equal((await stripe.products.list({ limit: 0 })).data.length, 1);
  assert.ok((await stripe.products.list({ limit: 101 })).data.length >= 2);
});

test("ids are expanded where they are, up to four levels deep", async () => {
  const customer = await customerWithCard(stripe);
  const price = await monthly(stripe, 2000);

  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    expand: ["latest_invoice.payments", "customer", "items.data.price.product"],
  });
  const list = await stripe.subscriptions.list({
    customer: customer.id,
    expand: ["data.default_payment_method", "data.latest_invoice"],
  });

  assert.equal(subscription.customer.name, "Ada");
  assert.equal(subscription.items.data[0].price.product.name, "Plan of 2000");
  assert.equal(subscription.latest_invoice.payments.data[0].amount_paid, 2000);
  assert.equal(list.data[0].latest_invoice.object, "invoice");
  await assert.rejects(stripe.customers.retrieve(customer.id, { expand: ["name"] }), {
    message: /^This property cannot be expanded \(name\)\./,
  });
  await assert.rejects(
    stripe.subscriptions.list({ expand: ["data.latest_invoice.customer.default_source.customer"] }),
    { type: "StripeInvalidRequestError" },
  );
});

test("a search finds by fields and metadata, page by page", async () => {
  for (const seat of ["1", "2", "3"]) {
    await stripe.customers.create({ name: "Grace", email: "grace@hopper.example", metadata: { seat } });
  }

  const one = await stripe.customers.search({ query: "name:'Grace' AND metadata['seat']:'2'" });
  const first = await stripe.customers.search({ query: "email:'grace@hopper.example'", limit: 2 });
  const second = await stripe.customers.search({
    query: "email:'grace@hopper.example'",
    limit: 2,
    page: first.next_page,
  });
  const without = await stripe.customers.search({ query: "name:'Grace' AND -metadata['seat']:'2'" });

  assert.deepEqual(one.data.map(({ metadata }) => metadata.seat), ["2"]);
  assert.deepEqual([first.data.length, first.has_more], [2, true]);
  assert.deepEqual([second.data.length, second.has_more, second.next_page], [1, false, null]);
  assert.equal(without.data.length, 2);
  await assert.rejects(stripe.customers.search({ query: "nickname:'x'" }), {
    type: "StripeInvalidRequestError",
  });
});

testOfTheSchema(shop);
