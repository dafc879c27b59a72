// Idempotency, retries, errors by class, and the form of every answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import Stripe from "stripe";

import { monthly, payment } from "../lib/samples.js";
import { sdk, startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();
const { stripe } = shop;

test("the same key and parameters answer the same object, whatever their order", async () => {
  const key = { idempotencyKey: "replay" };

  const first = await stripe.customers.create({ name: "Ada", phone: "1" }, key);
  const again = await stripe.customers.create({ phone: "1", name: "Ada" }, key);

  assert.equal(again.id, first.id);
  assert.equal(first.lastResponse.headers["idempotent-replayed"], undefined);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  assert.equal(again.lastResponse.headers["idempotency-key"], "replay");
});

test("the same key with other parameters, or for another path, is an idempotency error", async () => {
  const key = { idempotencyKey: "other" };
  await stripe.customers.create({ name: "Ada" }, key);

  const refusal = {
    type: "StripeIdempotencyError",
    rawType: "idempotency_error",
    statusCode: 400,
    message: /^Keys for idempotent requests can only be used with the same parameters they were first used with\. Try using a key other than 'other' if you meant to execute a different request\.$/,
  };
  await assert.rejects(stripe.customers.create({ name: "Bob" }, key), refusal);
  await assert.rejects(stripe.products.create({ name: "Ada" }, key), {
    type: "StripeIdempotencyError",
    statusCode: 400,
  });
});

test("a refused request does not use up its key; a declined card does", async () => {
  const refused = { idempotencyKey: "refused" };
  await assert.rejects(stripe.customers.create({ nickname: "Ada" }, refused), { code: "parameter_unknown" });
  const made = await stripe.customers.create({ name: "Ada" }, refused);
  const declined = { idempotencyKey: "declined" };
  const pay = () => errorOf(payment(stripe, "pm_card_visa_chargeDeclined", {}, declined));

  const [first, again] = [await pay(), await pay()];

  assert.match(made.id, /^cus_/);
  assert.equal(again.type, "StripeCardError");
  assert.equal(again.payment_intent.id, first.payment_intent.id);
  assert.equal(again.headers["idempotent-replayed"], "true");
});

test("two requests with one key at the same time conflict", async () => {
  await shop.control("/_twin/faults", { mode: "hang", seconds: 1, count: 1 });
  const key = { idempotencyKey: "both" };

  const slow = stripe.customers.create({ name: "Ada" }, key);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const conflict = await errorOf(stripe.customers.create({ name: "Ada" }, key));

  assert.deepEqual([conflict.statusCode, conflict.code], [409, "idempotency_key_in_use"]);
  assert.match((await slow).id, /^cus_/);
});

test("the SDK retries a cut connection, and one customer is made", async () => {
  const retrying = sdk(shop.recorder, undefined, { maxNetworkRetries: 2 });
  const email = "retried@lovelace.example";
  await shop.control("/_twin/faults", { mode: "cut_after", count: 1 });

  const before = shop.recorder.calls.length;
  const made = await retrying.customers.create({ email });

  const statuses = shop.recorder.calls.slice(before).map(({ status }) => status);
  const { data } = await stripe.customers.list({ email });
  assert.deepEqual(statuses, [undefined, 200]);
  assert.deepEqual(data.map(({ id }) => id), [made.id]);
});

test("the SDK retries a request before which the API failed", async () => {
  const retrying = sdk(shop.recorder, undefined, { maxNetworkRetries: 2 });
  await shop.control("/_twin/faults", { mode: "cut", count: 1 });

  const before = shop.recorder.calls.length;
  await retrying.customers.create({ name: "Cut" });

  const statuses = shop.recorder.calls.slice(before).map(({ status }) => status);
  assert.deepEqual(statuses, [undefined, 200]);
});

test("too many requests in a second are a rate limit error, until the limits are off", async () => {
  await shop.control("/_twin/rate-limits", { enabled: true, perSecond: 3, perEndpoint: 2 });

  const calls = Array.from({ length: 12 }, () => stripe.customers.list({ limit: 1 }));
  const errors = (await Promise.allSettled(calls)).filter(({ reason }) => reason).map(({ reason }) => reason);
  await shop.control("/_twin/rate-limits", { enabled: false });
  await stripe.customers.list({ limit: 1 });

  assert.ok(errors.length > 0);
  for (const error of errors) {
    assert.ok(error instanceof Stripe.errors.StripeRateLimitError);
    assert.equal(error.statusCode, 429);
    assert.match(error.headers["stripe-rate-limited-reason"], /^(global|endpoint)-rate$/);
  }
});

test("a failure before the work is not saved, and one during or after it is", async () => {
  const attempt = (when) => errorOf(stripe.products.create({ name: when }, { idempotencyKey: `fails-${when}` }));
  const made = async (when) => {
    const { data } = await stripe.products.list({ limit: 100 });
    return data.filter(({ name }) => name === when).length;
  };
  for (const [when, count] of [["during", 0], ["after", 1]]) {
    await shop.control("/_twin/faults", { mode: "status", status: 500, when, count: 1 });

    const [first, again] = [await attempt(when), await attempt(when)];

    assert.ok(first instanceof Stripe.errors.StripeAPIError, when);
    assert.deepEqual([first.statusCode, again.statusCode], [500, 500], when);
    assert.equal(again.headers["idempotent-replayed"], "true", when);
    assert.equal(await made(when), count, when);
  }
  await shop.control("/_twin/faults", { mode: "status", status: 500, when: "before", count: 1 });
  assert.equal((await attempt("before")).statusCode, 500);
  const key = { idempotencyKey: "fails-before" };
  assert.match((await stripe.products.create({ name: "before" }, key)).id, /^prod_/);
});

test("a restricted key does what it may, and nothing else", async () => {
  const { key } = await shop.control("/_twin/keys", { permissions: { customer: "read" } });
  const restricted = sdk(shop.recorder, key);

  await restricted.customers.list();
  for (const call of [() => restricted.customers.create({}), () => restricted.products.list()]) {
    const error = await errorOf(call());
    assert.ok(error instanceof Stripe.errors.StripePermissionError, String(error));
    assert.equal(error.statusCode, 403);
  }
});

test("a declined card is a card error, with its reason and payment", async () => {
  const cases = {
    pm_card_visa_chargeDeclined: ["card_declined", "generic_decline", "Your card was declined."],
    pm_card_visa_chargeDeclinedInsufficientFunds:
      ["card_declined", "insufficient_funds", "Your card has insufficient funds."],
    pm_card_visa_chargeDeclinedLostCard: ["card_declined", "lost_card", "Your card was declined."],
    pm_card_chargeDeclinedExpiredCard: ["expired_card", "expired_card", "Your card has expired."],
    pm_card_chargeDeclinedIncorrectCvc:
      ["incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."],
    pm_card_chargeDeclinedProcessingError: ["processing_error", "processing_error", undefined],
  };
  for (const [card, [code, declined, message]] of Object.entries(cases)) {
    const error = await errorOf(payment(stripe, card));

    assert.ok(error instanceof Stripe.errors.StripeCardError, card);
    assert.deepEqual([error.statusCode, error.code, error.decline_code ?? declined], [402, code, declined]);
    if (message) assert.equal(error.message, message);
    assert.equal(error.payment_intent.status, "requires_payment_method");
    assert.equal(error.payment_intent.last_payment_error.code, code);
    assert.match(error.charge, /^ch_/);
    assert.equal((await stripe.charges.retrieve(error.charge)).status, "failed");
  }
});

test("an invalid request names its parameter", async () => {
  const price = await monthly(stripe, 1000);
  const { customers, subscriptions } = stripe;
  const ada = await customers.create();
  const items = [{ price: price.id }];
  const refused = async (call, statusCode, code, param) => {
    const error = await errorOf(call);
    assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError, String(error));
    assert.deepEqual([error.statusCode, error.code, error.param], [statusCode, code, param]);
    assert.match(error.requestId, /^req_/);
  };

  await refused(customers.create({ nickname: "Ada" }), 400, "parameter_unknown", "nickname");
  await refused(customers.create({ address: { planet: "Mars" } }), 400, "parameter_unknown", "address[planet]");
  await refused(customers.list({ limit: "many" }), 400, "parameter_invalid_integer", "limit");
  await refused(customers.retrieve("cus_missing"), 404, "resource_missing", "id");
  await refused(
    subscriptions.create({ customer: ada.id, items: [{ price: "price_missing" }] }),
    400,
    "resource_missing",
    "items[0][price]",
  );
  await refused(subscriptions.create({ items }), 400, "parameter_missing", "customer");
  await refused(stripe.rawRequest("POST", "/v1/nothing", {}), 404, undefined, undefined);
});

test("a wrong, a live and no key are authentication errors", async () => {
  for (const key of ["sk_bogus", "sk_live_1234567890", "pk_test_1234567890"]) {
    const error = await errorOf(sdk(shop.recorder, key).customers.list());

    assert.ok(error instanceof Stripe.errors.StripeError, key);
    assert.ok([401, 403].includes(error.statusCode), `${key}: ${error.statusCode}`);
  }
  const bare = await fetch(`${shop.recorder.url}/v1/customers`);
  assert.equal(bare.status, 401);
});

test("an unknown version is refused without a code, and a known one echoed", async () => {
  const wrong = sdk(shop.recorder, undefined, { apiVersion: "2026-02-30" });

  const error = await errorOf(wrong.customers.list());
  const answer = await stripe.customers.list();

  assert.deepEqual([error.statusCode, error.code], [400, undefined]);
  assert.equal(answer.lastResponse.headers["stripe-version"], "2026-10-28.endive");
  assert.equal(answer.lastResponse.headers["request-id"], answer.lastResponse.requestId);
});

test("another account, and the second API, are refused in JSON", async () => {
  const account = await errorOf(stripe.customers.list({}, { stripeAccount: "acct_1234567890" }));
  const second = await fetch(`${shop.recorder.url}/v2/core/events`, {
    headers: { Authorization: "Bearer sk_test_clients", "Stripe-Version": "2026-10-28.endive" },
  });

  assert.ok(account instanceof Stripe.errors.StripePermissionError, String(account));
  assert.match(second.headers.get("content-type"), /^application\/json/);
  assert.ok((await second.json()).error.message);
});

test("an answer begins with `id` and `object`, then the rest by name", async () => {
  await stripe.customers.create({ name: "Ada" });
  await stripe.customers.list({ limit: 1 });

  const [one, list] = shop.recorder.calls.slice(-2).map(({ body }) => body);
  for (const object of [one, list.data[0]]) {
    const [id, kind, ...rest] = Object.keys(object);
    assert.deepEqual([id, kind, rest], ["id", "object", [...rest].sort()]);
  }
  assert.deepEqual(Object.keys(list), ["object", "data", "has_more", "url"]);
});

testOfTheSchema(shop);

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "The call should have been refused." });
}
