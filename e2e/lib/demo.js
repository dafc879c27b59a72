// The demo as a child process: the service and its Stripe twin, on free ports and in their own folder.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const START_SECONDS_MAX = 60;
const STOP_SECONDS_MAX = 10;
const POLL_MILLISECONDS = 100;

/** A key for the twin's API, which accepts any test key. */
const STRIPE_KEY = "sk_test_e2e";

/** Starts a demo and waits until both of its ports respond. */
export async function startDemo() {
  const folder = await mkdtemp(path.join(tmpdir(), "lbx-e2e-"));
  const [port, twinPort] = await freePorts(2);
  const ports = ["--port", String(port), "--twin-port", String(twinPort)];
  const child = spawn(await program(), ["demo", "--json", "--data", folder, ...ports], {
    cwd: folder,
    // Allows outgoing webhooks to a host application on this machine.
    env: { ...withoutSettings(process.env), LBX_WEBHOOKS_ALLOW_LOOPBACK: "true" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Stops the demo if the test run is interrupted.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const log = [];
  child.stderr.setEncoding("utf8").on("data", (text) => log.push(text));
  try {
    const started = JSON.parse(await firstLine(child, log));
    return demo(started, { child, folder, log, kill });
  } catch (error) {
    kill();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function demo(started, { child, folder, log, kill }) {
  const twin = (where) => new URL(where, started.twinUrl).href;
  return {
    ...started,
    log: () => log.join(""),

    /** Waits for an email to `to` whose subject matches, and returns the newest one. */
    mailTo(to, subject) {
      return eventually(`an email to ${to} with the subject ${subject}`, async () => {
        const { data } = await json(twin("/_twin/mails"));
        return data.find((mail) => mail.to.includes(to) && subject.test(mail.subject));
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

    async stop() {
      process.removeListener("exit", kill);
      if (child.exitCode === null) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        const patience = setTimeout(kill, STOP_SECONDS_MAX * 1000);
        await ended;
        clearTimeout(patience);
      }
      await rm(folder, { recursive: true, force: true });
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

/** The program to test: `LBX_BIN`, or the latest build in cargo's target folder. */
async function program() {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const built = path.resolve(root, target, "debug/localboxs-billing");
  const file = process.env.LBX_BIN ?? built;
  await access(file).catch(() => {
    throw new Error(`There is no program at ${file}: run cargo build first.`);
  });
  return file;
}

/** The environment without our settings, so that the demo is the same on every machine. */
function withoutSettings(environment) {
  const ours = /^(LBX_|STRIPE_|DATABASE_URL$|SMTP_|LOG|RUST_LOG)/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ours.test(name)));
}

async function firstLine(child, log) {
  const lines = createInterface({ input: child.stdout });
  const patience = AbortSignal.timeout(START_SECONDS_MAX * 1000);
  const failed = once(child, "exit").then(() => {
    throw new Error(`The demo ended before it answered:\n${log.join("")}`);
  });
  failed.catch(() => {});
  const [line] = await Promise.race([once(lines, "line", { signal: patience }), failed]);
  child.stdout.resume();
  return line;
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
