// A small HTTP server that receives webhooks and checks the events.

import { once } from "node:events";
import { createServer } from "node:http";
import { after } from "node:test";

import { eventually } from "../../lib/demo.js";
import { textOf } from "./recorder.js";
import { faultsOfDelivery } from "./schema.js";

/** Starts a receiver, which stops after the tests of the file. It adds what is wrong to `faults`. */
export async function startReceiver(faults) {
  const received = [];
  const answers = [];
  const server = createServer(async (request, response) => {
    const body = await textOf(request);
    const found = faultsOfDelivery(body);
    faults.push(...found.map((fault) => `delivered: ${fault}`));
    received.push({ headers: request.headers, body, event: JSON.parse(body) });
    response.writeHead(answers.shift() ?? 200).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
    return once(server, "close");
  });
  return {
    url: `http://127.0.0.1:${server.address().port}/hook`,
    received,

    /** The next deliveries are answered with these statuses, and later ones with 200. */
    answerWith: (...statuses) => answers.push(...statuses),

    /** Waits until an event was delivered `times` times, and returns these deliveries. */
    async deliveriesOf(id, times = 1) {
      const ofEvent = () => received.filter(({ event }) => event.id === id);
      await eventually(`${times} deliveries of ${id}`, () => ofEvent().length >= times);
      return ofEvent();
    },
  };
}
