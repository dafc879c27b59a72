// Actions of users, by the text on the pages. The story and the test without script share them.

import assert from "node:assert/strict";

import { json } from "./demo.js";

export const DECLINED_CARD = "4000 0000 0000 0002";
export const GOOD_CARD = "4242 4242 4242 4242";
/** The subject of a sign-in link's email. */
const SIGN_IN = /sign in/i;

/** Requests a sign-in link, opens the mailbox, follows the link and presses its only button. */
export async function signIn(person, demo, address, { looks = true } = {}) {
  const { page } = person;
  const look = (name) => looks && person.look(name);
  await person.open(new URL("/login", demo.baseUrl).href);
  await look("Sign in");
  await page.getByLabel("Email address").fill(address);
  // Links of earlier sign-ins are used up.
  const known = (await demo.mailsTo(address, SIGN_IN)).length;
  await person.follow(person.button("Email me a sign-in link"));
  assert.match(await person.text(), /Check your email/);
  await look("Check your email");

  await openMail(person, demo, address, SIGN_IN, { known, look });
  await person.follow(page.locator("pre.mail-text a").first());
  await look("Confirm to sign in");
  assert.equal(await page.locator("main button").count(), 1, "the link's page has one button");
  await person.follow(page.locator("main button"));
  assert.equal(pathOf(page), "/dashboard/billing");
}

/** Opens the newest email to an address in the demo's mailbox, once there are more than `known`. */
export async function openMail(person, demo, address, subject, { known = 0, look = () => {} } = {}) {
  const mail = await demo.mailTo(address, subject, known);
  await person.open(new URL("/_twin/mailbox", demo.twinUrl).href);
  await look("Mailbox");
  const row = person.page.getByRole("row").filter({ hasText: address });
  await person.follow(row.getByRole("link", { name: mail.subject }).first());
  await look("An email");
}

/** Subscribes to Pro with a valid card. */
export async function subscribe(person, demo) {
  await choosePlan(person, demo, "Pro");
  await assertPaid(person, await pay(person), /Pro is active/);
}

/** Downloads the file that a link of the page leads to, and returns its lines. */
export async function file(person, link) {
  const href = new URL(await link.getAttribute("href"), person.page.url()).href;
  const answer = await person.context.request.get(href);
  assert.equal(answer.status(), 200, href);
  assert.match(answer.headers()["content-type"], /^text\/csv/);
  return (await answer.text()).trim().split(/\r?\n/);
}

/** Goes from the plans to the hosted Checkout. */
export async function choosePlan(person, demo, plan) {
  await person.open(new URL("/dashboard/billing/upgrade", demo.baseUrl).href);
  await person.look("Plans");
  await person.follow(planAction(person, plan));
  if (pathOf(person.page).startsWith("/dashboard/")) {
    // A review page shows the choice before Stripe's page.
    await person.look("Plan, review");
    await person.follow(person.page.locator("#review form button"));
  }
  assert.match(pathOf(person.page), /^\/c\/pay\/cs_test_/);
}

/** The button or link on the card of a plan. */
export function planAction(person, plan) {
  const heading = person.page.getByRole("heading", { name: plan, exact: true });
  return person.page.locator("section.plan", { has: heading }).locator("footer .btn");
}

/** Goes from the packs to the hosted Checkout. */
export async function choosePack(person, demo, credits) {
  await person.open(new URL("/dashboard/billing/credits", demo.baseUrl).href);
  await person.look("Add credits");
  await person.page.locator("label.pack").filter({ hasText: credits }).first().click();
  await person.follow(person.button("Continue to Stripe"));
  assert.match(pathOf(person.page), /^\/c\/pay\/cs_test_/);
}

/** Pays on the hosted Checkout, and returns the first response of the page that it leads to. */
export async function pay(person, card = GOOD_CARD) {
  await person.card(card);
  return person.follow(person.button(/^(Pay|Subscribe)/));
}

/** Checks that the page is the success page, complete when first loaded. */
export async function assertPaid(person, answer, brought) {
  assert.equal(pathOf(person.page), "/dashboard/billing/success");
  assert.equal(answer.status(), 200);
  const html = await answer.text();
  assert.match(html, /Thank you, your payment went through/);
  assert.match(html, brought, "the purchase is in the HTML as first sent");
  assert.doesNotMatch(html, /data-refresh|http-equiv="refresh"/, "there is nothing left to wait for");
}

/** Opens Stripe's portal from the billing page. */
export async function openPortal(person, demo) {
  await openBilling(person, demo);
  await person.follow(person.button("Manage subscription"));
  assert.match(pathOf(person.page), /^\/p\/session\//);
}

export function openBilling(person, demo) {
  return person.open(new URL("/dashboard/billing", demo.baseUrl).href);
}

/** The billing response of the API. */
export function account(person, demo) {
  return person.json(new URL("/api/dashboard/billing", demo.baseUrl).href);
}

/** A program with an API key. */
export function program(demo, key) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  return {
    get: (path) => json(new URL(path, demo.baseUrl), { headers }),
    async post(path, body, idempotencyKey) {
      const more = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
      const answer = await fetch(new URL(path, demo.baseUrl), {
        method: "POST",
        headers: { ...headers, ...more },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: await answer.json() };
    },
  };
}

export function pathOf(page) {
  return new URL(page.url()).pathname;
}
