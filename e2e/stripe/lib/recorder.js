// A proxy between a client and the twin, or between the twin and a receiver. It changes nothing, and
// checks every answer and every delivered event.

import { once } from "node:events";
import http from "node:http";

import { faultsOfAnswer, faultsOfDelivery } from "./schema.js";

/** Calls of the command line that Stripe does not describe. */
const UNDESCRIBED = /^\/v1\/(stripecli\/sessions|payment_pages\/)/;

/**
 * Starts a proxy on a free port to the origin of `target`, which is the API or receives its events.
 * `calls` are those so far, and `faults` what was wrong with them.
 */
export async function startRecorder(target) {
  const agent = new http.Agent({ keepAlive: true });
  const calls = [];
  const faults = [];
  const server = http.createServer(async (request, response) => {
    const { method, url, headers } = request;
    const call = { method, path: url, sentHeaders: headers, sent: await textOf(request) };
    calls.push(call);
    try {
      await pass(call, response);
    } catch {
      // The target cut the connection, so the client's is cut too.
      response.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    calls,
    faults,
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function pass(call, response) {
    const { method, path, sentHeaders: headers } = call;
    const outgoing = http.request(new URL(path, target), { method, headers, agent });
    outgoing.end(call.sent);
    const [incoming] = await once(outgoing, "response");
    call.status = incoming.statusCode;
    call.headers = incoming.headers;
    const text = await textOf(incoming);
    call.faults = check(call, text);
    faults.push(...call.faults.map((fault) => `${call.method} ${call.path}: ${fault}`));
    response.writeHead(incoming.statusCode, incoming.headers).end(text);
  }

  function check(call, text) {
    const path = call.path.split("?")[0];
    if (UNDESCRIBED.test(path)) return [];
    if (call.sentHeaders["stripe-signature"]) return faultsOfDelivery(call.sent);
    try {
      call.body = JSON.parse(text);
    } catch {
        return [`the answer is not JSON: ${text.slice(0, 200)}`];
    }
    const found = faultsOfAnswer(call.body);
    if (!call.headers["request-id"]) found.push("there is no Request-Id header");
    const version = call.sentHeaders["stripe-version"];
    if (version && call.status < 400 && call.headers["stripe-version"] !== version) {
      found.push(`the version ${version} is not echoed`);
    }
    if (call.status >= 400 !== "error" in call.body) {
      found.push(`the status ${call.status} does not fit the body`);
    }
    return found;
  }
}

/** The whole body of a request or response. */
export async function textOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
