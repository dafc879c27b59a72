// The demo as a child process: the service and its Stripe twin, on free ports and in their own folder.

import { freePorts, startProgram } from "./program.js";

const POLL_MILLISECONDS = 100;

/** A key for the twin's API, which accepts any test key. */
const STRIPE_KEY = "sk_test_e2e";

/** Starts a demo and waits until both of its ports respond. */
export async function startDemo() {
  const [port, twinPort] = await freePorts(2);
  const ports = ["--port", String(port), "--twin-port", String(twinPort)];
  // Allows outgoing webhooks to a host application on this machine.
  const env = { LBX_WEBHOOKS_ALLOW_LOOPBACK: "true" };
  const program = await startProgram((folder) => ["demo", "--json", "--data", folder, ...ports], env);
  return demo(program);
}

function demo({ started, log, stop }) {
  const twin = (where) => new URL(where, started.twinUrl).href;
  return {
    ...started,
    log,
    stop,

    /** The emails to `to` whose subject matches, newest first. */
    async mailsTo(to, subject) {
      const { data } = await json(twin("/_twin/mails"));
      return data.filter((mail) => mail.to.includes(to) && subject.test(mail.subject));
    },

    /** Waits for more than `known` such emails, and returns the newest one. */
    mailTo(to, subject, known = 0) {
      return eventually(`an email to ${to} with the subject ${subject}`, async () => {
        const mails = await this.mailsTo(to, subject);
        return mails.length > known && mails[0];
      });
    },

    /** Advances the billing clock, and returns when all work that became due is done. */
    advance: (duration) => post(twin("/_twin/clock"), { advance: duration }),

    /** The billing clock; `now` in seconds. */
    clock: () => json(twin("/_twin/clock")),

    /** Declines the next payment of any customer. */
    declineNext: () => post(twin("/_twin/decline-next"), {}),

    /** The newest event of a type at the twin. */
    async event(type) {
      const { data } = await json(twin(`/v1/events?type=${type}&limit=1`), { headers: key() });
      return data[0];
    },

    /** Makes the twin deliver an event again, and waits for the delivery. */
    async deliverAgain(event) {
      const before = await deliveries(event);
      await json(twin(`/v1/events/${event}/retry`), { method: "POST", headers: key() });
      await eventually(`${event} to be delivered again`, async () => {
        return (await deliveries(event)) > before;
      });
    },
  };

  async function deliveries(event) {
    const { data } = await json(twin("/_twin/deliveries?limit=2000"));
    const tries = data.filter((one) => one.event === event).flatMap((one) => one.tries);
    return tries.filter((one) => one.status === 200).length;
  }
}

/** Repeats a call until its result is truthy, for at most 20 seconds. */
export async function eventually(what, ask, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`Timed out after ${seconds} s waiting for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

/** Returns the JSON of a response. Throws an error with its text if it is not 2xx. */
export async function json(url, options) {
  const answer = await fetch(url, options);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

function post(url, body) {
  return json(url, { method: "POST", body: JSON.stringify(body) });
}

function key() {
  return { Authorization: `Bearer ${STRIPE_KEY}` };
}
