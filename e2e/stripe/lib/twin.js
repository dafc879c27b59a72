// A twin of its own for each file of tests, and Stripe's SDK that talks to it through a recorder.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import Stripe from "stripe";

import { json } from "../../lib/demo.js";
import { startProgram } from "../../lib/program.js";
import { startRecorder } from "./recorder.js";

export const KEY = "sk_test_clients";
const FAULTS_SHOWN_MAX = 40;

/** The last test of a file: reads all events and reports every fault that the recorder found. */
export function testOfTheSchema(shop) {
  test("every answer and event fits Stripe's schema", async () => {
    for await (const event of shop.stripe.events.list({ limit: 100 })) assert.ok(event.id);
    const faults = [...new Set(shop.recorder.faults)];
    assert.ok(shop.recorder.calls.length > 1, "the recorder saw the calls");
    assert.deepEqual(faults.slice(0, FAULTS_SHOWN_MAX), []);
  });
}

/** Starts a twin, which stops after the tests of the file. */
export async function startTwin() {
  const program = await startProgram(() => ["twin", "serve", "--json", "--port", "0"]);
  const twin = (path) => new URL(path, program.started.url).href;
  const post = (path, body = {}) => json(twin(path), { method: "POST", body: JSON.stringify(body) });
  const recorder = await startRecorder(program.started.url);
  const stripe = sdk(recorder);
  after(async () => {
    await recorder.stop();
    await program.stop();
  });
  return {
    url: program.started.url,
    recorder,
    stripe,

    /** Pays a Checkout session, and returns it. */
    pay: (session, method = "card") =>
      post(`/_twin/checkout/sessions/${session}/pay`, { payment_method: method }),

    /** Lets the bank debit of a Checkout session succeed or fail. */
    settle: (session, outcome) => post(`/_twin/checkout/sessions/${session}/settle`, { outcome }),

    /** Moves the billing clock, and returns when everything due on the way is done. */
    advance: (duration) => post("/_twin/clock", { advance: duration }),

    control: post,

    /**
     * Does `act`, and returns its result and the types of the events that it caused, in order. Those
     * that are older than 30 days by then are no longer listed, as at Stripe.
     */
    async events(act) {
      const [mark] = (await stripe.events.list({ limit: 1 })).data;
      const result = await act();
      const newestFirst = await stripe.events.list({ limit: 100 }).autoPagingToArray({ limit: 1000 });
      const end = newestFirst.findIndex(({ id }) => id === mark?.id);
      const caused = end < 0 ? newestFirst : newestFirst.slice(0, end);
      return [result, caused.map(({ type }) => type).reverse()];
    },
  };
}

/** Stripe's SDK for Node; it talks to a recorder's twin. */
export function sdk({ port }, key = KEY, options = {}) {
  const where = { host: "127.0.0.1", port, protocol: "http" };
  return new Stripe(key, { ...where, telemetry: false, maxNetworkRetries: 0, ...options });
}
