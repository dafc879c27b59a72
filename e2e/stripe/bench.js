// Measures the twin with Stripe's SDK for Node: creates a second at one connection, and a list of ten
// among many customers. `LBX_BIN` names the program.
//
//   node bench.js [CUSTOMERS]   how many customers there are in the end (100000)

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import Stripe from "stripe";

import { startProgram } from "../lib/program.js";

const KEY = "sk_test_bench";
const CUSTOMERS = Number(process.argv[2] ?? 100_000);
const CREATES = Math.min(5_000, CUSTOMERS / 2);
const FILLERS = 8;
const LISTS = 1_000;

const program = await startProgram(() => ["twin", "serve", "--json", "--port", "0"]);
const { port } = new URL(program.started.url);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const stripe = new Stripe(KEY, {
  host: "127.0.0.1",
  port,
  protocol: "http",
  httpAgent: agent,
  telemetry: false,
});

try {
  console.log("The twin, one connection: calls per second, p50, p99\n");
  await measure("SDK: create a customer", CREATES, (number) => stripe.customers.create({ name: `c${number}` }));
  await measure("without SDK: create a customer", CREATES, (number) => post(agent, `name=c${number}`));
  await fill(CUSTOMERS - 2 * CREATES);
  const count = CUSTOMERS.toLocaleString("en-US");
  await measure(`SDK: list ten of ${count}`, LISTS, () => stripe.customers.list({ limit: 10 }));
  await measure(`without SDK: list ten of ${count}`, LISTS, () => get(agent, "limit=10"));
  console.log(`\nMemory with ${count} customers and their events: ${await megabytes()} MB`);
} finally {
  agent.destroy();
  await program.stop();
}

async function measure(name, times, call) {
  const took = [];
  const began = performance.now();
  for (let number = 0; number < times; number += 1) {
    const start = performance.now();
    await call(number);
    took.push(performance.now() - start);
  }
  const rate = Math.round((times * 1000) / (performance.now() - began));
  took.sort((a, b) => a - b);
  const at = (share) => `${took[Math.floor(times * share)].toFixed(2)} ms`;
  console.log(`${name.padEnd(38)}${String(rate).padStart(7)}  ${at(0.5)}  ${at(0.99)}`);
}

/** Creates customers, with several connections. */
async function fill(count) {
  const filler = new http.Agent({ keepAlive: true, maxSockets: FILLERS });
  let left = count;
  const work = async () => {
    while (left-- > 0) await post(filler, `name=f${left}&email=f${left}@example.com`);
  };
  await Promise.all(Array.from({ length: FILLERS }, work));
  filler.destroy();
}

function post(agent, body) {
  return send(agent, "POST", "/v1/customers", body);
}

function get(agent, query) {
  return send(agent, "GET", `/v1/customers?${query}`);
}

async function send(agent, method, path, body) {
  const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/x-www-form-urlencoded" };
  const request = http.request({ host: "127.0.0.1", port, agent, method, path, headers });
  request.end(body);
  const [response] = await once(request, "response");
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`${method} ${path} answered ${response.statusCode}`);
}

async function megabytes() {
  const status = await readFile(`/proc/${program.pid}/status`, "utf8");
  return Math.round(/VmRSS:\s+(\d+)/.exec(status)[1] / 1024);
}
