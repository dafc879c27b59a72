// Runs the tests of Stripe's SDK for Python against a twin; the recorder checks what they receive.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { KEY, startTwin, testOfTheSchema } from "../lib/twin.js";

const shop = await startTwin();

test("Stripe's SDK for Python works against the twin", async () => {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const python = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "stripe-python/bin/python");
  await access(python).catch(() => {
    throw new Error(`There is no ${python}: run npm --prefix e2e/stripe run python first.`);
  });

  const child = spawn(python, ["-B", "-m", "unittest", "-v"], {
    cwd: folder,
    env: { PATH: process.env.PATH, API_URL: shop.recorder.url, TWIN_URL: shop.url, API_KEY: KEY },
    stdio: ["ignore", "inherit", "inherit"],
  });

  const [code] = await once(child, "exit");
  assert.equal(code, 0, "the tests of Python passed");
});

testOfTheSchema(shop);
