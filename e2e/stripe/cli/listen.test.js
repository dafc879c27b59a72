// `stripe listen` forwards events of the twin to the service, which accepts them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";

import { eventually, startDemo } from "../../lib/demo.js";
import { commandLine } from "../lib/cli.js";
import { startRecorder } from "../lib/recorder.js";
import { sdk } from "../lib/twin.js";

const demo = await startDemo();
const [api, service] = [await startRecorder(demo.twinUrl), await startRecorder(demo.baseUrl)];
const cli = await commandLine(api.url);
const stripe = sdk(api);
const hook = `${service.url}/api/stripe/webhook`;
after(async () => {
  await Promise.all([api.stop(), service.stop()]);
  await demo.stop();
});

test("the printed secret is the service's", async () => {
  assert.equal((await cli.run("listen", "--print-secret")).trim(), demo.webhookSecret);
});

test("triggered events arrive at the service, which accepts their signature", async (context) => {
  await listen(context, "--all-snapshot");

  await cli.run("trigger", "checkout.session.completed");

  const delivered = await eventually("the event at the service", () => forwarded("checkout.session.completed"));
  const signature = delivered.sentHeaders["stripe-signature"];
  const event = stripe.webhooks.constructEvent(delivered.sent, signature, demo.webhookSecret);
  const listed = await stripe.events.retrieve(event.id);
  assert.equal(delivered.status, 200);
  assert.deepEqual(event.data, JSON.parse(JSON.stringify(listed.data)));
  const forged = await fetch(hook, {
    method: "POST",
    headers: { "stripe-signature": signature },
    body: `${delivered.sent} `,
  });
  assert.equal(forged.status, 400);
});

test("an event is resent to the listener", async (context) => {
  await listen(context, "--all-snapshot");
  await cli.run("customers", "create", "--name", "Resent");
  const event = JSON.parse((await eventually("the event", () => forwarded("customer.created"))).sent);
  const before = service.calls.length;

  await cli.run("events", "resend", event.id, "--confirm");

  await eventually("the event again", () => service.calls.slice(before).some(({ sent, status }) => {
    return sent.includes(event.id) && status === 200;
  }));
});

test("only the events that are asked for are forwarded", async (context) => {
  const before = service.calls.length;
  await listen(context, "--events", "customer.updated");

  const ada = await cli.json("customers", "create", "--name", "Ada");
  await cli.run("customers", "update", ada.id, "--name", "Ada L.");

  await eventually("customer.updated", () => service.calls.length > before);
  const types = service.calls.slice(before).map(({ sent }) => JSON.parse(sent).type);
  assert.deepEqual(types, ["customer.updated"]);
});

test("every answer and event fits Stripe's schema", () => {
  assert.deepEqual([...api.faults, ...service.faults], []);
});

/** The newest call with which an event of a type was forwarded and answered. */
function forwarded(type) {
  return service.calls.findLast(({ sent, status }) => status && JSON.parse(sent).type === type);
}

/** Starts a listener that forwards to the service until the test ends. */
async function listen(context, ...events) {
  const child = cli.start("listen", "--skip-update", ...events, "--forward-to", hook);
  const exited = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  context.after(() => {
    kill();
    process.removeListener("exit", kill);
    return exited;
  });
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (said += text));
  await eventually("the listener", () => said.includes("Ready!"));
}
