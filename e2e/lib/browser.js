// A real browser, and a user who operates it.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

import { faultsOf } from "./look.js";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** The timeout for loading a page and for each action on it. */
const PATIENCE_MILLISECONDS = 15_000;

/** Debian's Chromium, or the browser that `CHROMIUM` names. */
export function startBrowser({ args = [], env = process.env } = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: [...ARGS, ...args], env });
}

/** A user with their own cookies; `script: false` is a browser without JavaScript. */
export async function visitor(browser, { script = true } = {}) {
  const context = await browser.newContext({
    javaScriptEnabled: script,
    viewport: { width: 1280, height: 900 },
    colorScheme: "light",
    // Without transitions, so that colors are measured in their final state.
    reducedMotion: "reduce",
    locale: "en-US",
  });
  context.setDefaultTimeout(PATIENCE_MILLISECONDS);
  const page = await context.newPage();
  return new Visitor(context, page, script);
}

class Visitor {
  #script;
  #errors = [];
  #faults = [];

  constructor(context, page, script) {
    this.context = context;
    this.page = page;
    this.#script = script;
    page.on("console", (message) => {
      if (message.type() === "error") this.#errors.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#errors.push(`${page.url()}: ${error}`));
  }

  /** Opens a URL; the response must be a page. */
  async open(url) {
    const answer = await this.page.goto(url);
    if (!answer.ok()) throw new Error(`${url} answered ${answer.status()}`);
    return answer;
  }

  /** Clicks a link or button that opens another page, and returns the response of that page. */
  async follow(locator) {
    const [answer] = await Promise.all([this.page.waitForNavigation(), locator.click()]);
    return answer;
  }

  link(name) {
    return this.page.getByRole("link", { name }).first();
  }

  button(name) {
    return this.page.getByRole("button", { name }).first();
  }

  /** The visible text of the main part, with whitespace collapsed. */
  async text() {
    const text = await this.page.locator("main").innerText();
    return text.replace(/\s+/g, " ");
  }

  /** Fetches JSON with this user's session. */
  async json(url) {
    const answer = await this.context.request.get(url, { headers: { Accept: "application/json" } });
    if (!answer.ok()) throw new Error(`${url} answered ${answer.status()}: ${await answer.text()}`);
    return answer.json();
  }

  /** Fills a card form of the twin. */
  async card(number) {
    await this.page.getByLabel("Card number").fill(number);
    await this.page.getByLabel("Expiration (MM / YY)").fill("12 / 34");
    await this.page.getByLabel("CVC").fill("123");
    await this.page.getByLabel("Name on card").fill("Ada Lovelace");
  }

  /** Checks the page and records its faults, which `faults` returns. */
  async look(name) {
    if (this.#script) this.#faults.push(...(await faultsOf(this.page, name)));
  }

  /** Removes the console error that the browser logs for an expected 4xx response. */
  expectRefusal(status) {
    const at = this.#errors.findIndex((error) => error.includes(`status of ${status}`));
    if (at < 0) throw new Error(`The browser saw no answer ${status}.`);
    this.#errors.splice(at, 1);
  }

  /** The faults and console errors since the last call. */
  faults() {
    const console = this.#errors.splice(0).map((error) => `Console: ${error}`);
    return [...this.#faults.splice(0), ...console];
  }

  /** Saves a screenshot, and returns its path. */
  async photograph(name) {
    const folder = await mkdtemp(path.join(tmpdir(), "lbx-e2e-failed-"));
    const file = path.join(folder, `${name.replace(/[^a-z0-9]+/gi, "-")}.png`);
    await this.page.screenshot({ path: file, fullPage: true });
    return file;
  }
}
