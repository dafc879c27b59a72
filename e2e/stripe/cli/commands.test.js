// The commands for objects, `get`, `post` and `delete`, `fixtures`, and `events resend`.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { commandLine } from "../lib/cli.js";
import { startReceiver } from "../lib/receiver.js";
import { startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const receiver = await startReceiver(shop.recorder.faults);
const cli = await commandLine(shop.recorder.url);

test("a customer is created, read, changed, listed and deleted", async () => {
  const ada = await cli.json("customers", "create", "--name", "Ada", "--email", "ada@lovelace.example");
  const changed = await cli.json("customers", "update", ada.id, "--name", "Ada L.", "-d", "metadata[a]=1");
  const read = await cli.json("customers", "retrieve", ada.id);
  const list = await cli.json("customers", "list", "--limit", "1");
  const deleted = await cli.json("customers", "delete", ada.id, "--confirm");
  const gone = await cli.json("customers", "retrieve", ada.id);

  assert.match(ada.id, /^cus_/);
  assert.deepEqual([changed.name, changed.metadata], ["Ada L.", { a: "1" }]);
  assert.deepEqual(read, changed);
  assert.deepEqual(list.data.map(({ id }) => id), [ada.id]);
  assert.deepEqual(deleted, { id: ada.id, object: "customer", deleted: true });
  assert.deepEqual(gone, deleted);
});

test("a product and a price are created, and an unused product is deleted", async () => {
  const product = await cli.json("products", "create", "--name", "Pro");
  const price = await cli.json(
    "prices", "create", "--product", product.id, "--currency", "usd", "--unit-amount", "1900",
    "--recurring.interval", "month", "--lookup-key", "pro_monthly",
  );
  const found = await cli.json("prices", "list", "-d", "lookup_keys[]=pro_monthly", "-e", "data.product");
  const unused = await cli.json("products", "create", "--name", "Never sold");
  const deleted = await cli.json("products", "delete", unused.id, "--confirm");
  const refused = await cli.json("products", "delete", product.id, "--confirm");

  assert.equal(price.recurring.interval, "month");
  assert.equal(found.data[0].product.name, "Pro");
  assert.equal(deleted.deleted, true);
  assert.equal(refused.error.type, "invalid_request_error");
});

test("a subscription is created, changed and canceled", async () => {
  const customer = await cli.json("customers", "create", "--payment-method", "pm_card_visa",
    "-d", "invoice_settings[default_payment_method]=pm_card_visa");
  const product = await cli.json("products", "create", "--name", "Team");
  const price = await cli.json("prices", "create", "--product", product.id, "--currency", "usd",
    "--unit-amount", "4900", "--recurring.interval", "month");

  const made = await cli.json("subscriptions", "create", "--customer", customer.id,
    "-d", `items[0][price]=${price.id}`, "-e", "latest_invoice");
  const ending = await cli.json("subscriptions", "update", made.id, "--cancel-at-period-end=true");
  const canceled = await cli.json("subscriptions", "cancel", made.id, "--confirm");

  assert.deepEqual([made.status, made.latest_invoice.amount_paid], ["active", 4900]);
  assert.equal(ending.cancel_at_period_end, true);
  assert.equal(canceled.status, "canceled");
});

test("`post`, `get` and `delete` reach any path", async () => {
  const coupon = await cli.json("post", "/v1/coupons", "-d", "percent_off=25", "-d", "duration=once");
  const read = await cli.json("get", `/v1/coupons/${coupon.id}`);
  const deleted = await cli.json("delete", `/v1/coupons/${coupon.id}`, "--confirm");

  assert.equal(read.percent_off, 25);
  assert.equal(deleted.deleted, true);
});

test("the same idempotency key answers the same customer", async () => {
  const create = (name) => cli.json("post", "/v1/customers", "-d", `name=${name}`, "-i", "key-1");

  const [first, again, other] = [await create("Ada"), await create("Ada"), await create("Bob")];

  assert.deepEqual(again, first);
  assert.equal(other.error.type, "idempotency_error");
});

test("an error is printed as Stripe answers it", async () => {
  const missing = await cli.json("customers", "retrieve", "cus_missing");
  const unknown = await cli.json("post", "/v1/customers", "-d", "nickname=Ada");

  assert.deepEqual([missing.error.code, missing.error.param], ["resource_missing", "id"]);
  assert.deepEqual([unknown.error.code, unknown.error.param], ["parameter_unknown", "nickname"]);
});

test("fixtures refer to the answers of earlier ones", async () => {
  const file = path.join(cli.home, "fixtures.json");
  await writeFile(file, JSON.stringify(FIXTURES));

  const printed = await cli.run("fixtures", file);

  const [subscription] = (await shop.stripe.subscriptions.list({ limit: 1 })).data;
  assert.match(printed, /Running fixture for: subscription/);
  assert.equal(subscription.metadata.from, "fixtures");
  assert.equal(subscription.status, "trialing");
});

const FIXTURES = {
  _meta: { template_version: 0 },
  fixtures: [
    { name: "customer", path: "/v1/customers", method: "post", params: { name: "Fix", source: "tok_visa" } },
    { name: "product", path: "/v1/products", method: "post", params: { name: "Fixed" } },
    {
      name: "price",
      path: "/v1/prices",
      method: "post",
      params: {
        product: "${product:id}",
        currency: "usd",
        unit_amount: 500,
        recurring: { interval: "month" },
      },
    },
    {
      name: "subscription",
      path: "/v1/subscriptions",
      method: "post",
      params: {
        customer: "${customer:id}",
        items: [{ price: "${price:id}" }],
        trial_period_days: 14,
        metadata: { from: "fixtures" },
      },
    },
  ],
};

test("a listed event is sent again to an endpoint", async () => {
  const endpoint = await shop.stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["product.created"],
  });
  await shop.stripe.products.create({ name: "Resent" });
  const [event] = (await cli.json("events", "list", "-d", "type=product.created", "--limit", "1")).data;
  await receiver.deliveriesOf(event.id);

  await cli.run("events", "resend", event.id, "--webhook-endpoint", endpoint.id, "--confirm");

  const [first, again] = await receiver.deliveriesOf(event.id, 2);
  assert.equal(again.event.data.object.name, "Resent");
  for (const { body, headers } of [first, again]) {
    const signature = headers["stripe-signature"];
    assert.equal(shop.stripe.webhooks.constructEvent(body, signature, endpoint.secret).id, event.id);
  }
});

testOfTheSchema(shop);
