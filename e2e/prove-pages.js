// How soon the pages are there for somebody with a slow phone and a slow line: the largest paint of
// each page, medians of several loads. Run by `bin/prove pages`; the figures belong to the machine
// that it runs on, so it is no test.

import { startBrowser, visitor } from "./lib/browser.js";
import { startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";

const LOADS = 5;
/** The slow profile: a processor at a quarter, and a line as of a bad mobile cell. */
const SLOWER = 4;
const LINE = {
  offline: false,
  latency: 150,
  downloadThroughput: 1_600_000 / 8,
  uploadThroughput: 750_000 / 8,
};
/** What the largest paint must stay under. */
const GOAL_MILLISECONDS = 2_000;
const CUSTOMERS_PAGES = [
  "/pricing",
  "/login",
  "/dashboard/billing",
  "/dashboard/billing/upgrade",
  "/dashboard/billing/credits",
  "/dashboard/usage",
  "/dashboard/keys",
  "/dashboard/members",
  "/dashboard/settings",
];
const OPERATORS_PAGES = ["/admin", "/admin/transactions", "/admin/accounts", "/admin/events"];

const demo = await startDemo();
const browser = await startBrowser();
let slowest = 0;
try {
  const ada = await visitor(browser);
  await moves.signIn(ada, demo, "ada@lovelace.example", { looks: false });
  await prove(ada, CUSTOMERS_PAGES);
  const olga = await visitor(browser);
  await olga.page.goto(demo.adminLoginUrl);
  await prove(olga, OPERATORS_PAGES);
} finally {
  await browser.close();
  await demo.stop();
}
console.log(`largest paint, medians of ${LOADS} loads, empty cache; goal ${GOAL_MILLISECONDS} ms`);
if (slowest > GOAL_MILLISECONDS) process.exitCode = 1;

async function prove(person, paths) {
  const session = await person.context.newCDPSession(person.page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  await session.send("Network.emulateNetworkConditions", LINE);
  await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
  for (const path of paths) {
    const paints = [];
    for (let load = 0; load < LOADS; load += 1) paints.push(await largestPaint(person, path));
    paints.sort((a, b) => a - b);
    const median = paints[Math.floor(LOADS / 2)];
    slowest = Math.max(slowest, median);
    console.log(`${path.padEnd(32)} ${median.toFixed(0).padStart(6)} ms`);
  }
}

async function largestPaint(person, path) {
  await person.page.goto(new URL(path, demo.baseUrl).href, { waitUntil: "load" });
  return person.page.evaluate(
    () =>
      new Promise((resolve) => {
        const seen = [];
        const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
        observer.observe({ type: "largest-contentful-paint", buffered: true });
        setTimeout(() => resolve(Math.max(...seen.map((one) => one.startTime))), 300);
      }),
  );
}
