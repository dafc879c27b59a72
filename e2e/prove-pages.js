// Measures how fast the pages load on a slow phone with a slow connection: the largest contentful paint
// of each page, as the median of several loads. Run by `bin/prove pages`. The figures depend on the
// machine, so this is not a test.

import { startBrowser, visitor } from "./lib/browser.js";
import { startDemo } from "./lib/demo.js";
import * as moves from "./lib/moves.js";

const LOADS = 5;
/** The slow profile: a CPU that is this many times slower, and a weak mobile connection. */
const SLOWER = 4;
const LINE = {
  offline: false,
  latency: 150,
  downloadThroughput: 1_600_000 / 8,
  uploadThroughput: 750_000 / 8,
};
/** Upper limit of the largest contentful paint. */
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
