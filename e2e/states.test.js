// Every page in every state, as the server's own samples have it: accessible, as wide as the screen,
// and looking as it did. `E2E_UPDATE=1` takes over how they look now (into states.json), after
// somebody looked at the pictures that `E2E_SHOTS=FOLDER` keeps.

import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startBrowser } from "./lib/browser.js";
import { faultsOf } from "./lib/look.js";
import { difference, reduced } from "./lib/picture.js";

const FOLDER = process.env.LBX_SAMPLES_DIR;
const KNOWN = fileURLToPath(new URL("states.json", import.meta.url));
const UPDATE = process.env.E2E_UPDATE === "1";
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
/** The story goes through the rules on a phone, too; here one width is enough for each state. */
const WIDE = 1280;
/** Pages that are looked at at the same time. */
const AT_ONCE = 3;

let browser, server, origin, names;
const known = JSON.parse(await readFile(KNOWN, "utf8"));
const seen = {};

before(async () => {
  assert.ok(
    FOLDER,
    "LBX_SAMPLES_DIR must name the folder that `LBX_SAMPLES_DIR=... cargo test -p server --lib samples` wrote",
  );
  names = (await readdir(FOLDER)).filter((name) => name.endsWith(".html")).sort();
  server = createServer(serve).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function serve(request, response) {
  const file = path.basename(new URL(request.url, origin).pathname);
  const folder = file.endsWith(".html") ? FOLDER : path.join(FOLDER, "assets");
  try {
    const body = await readFile(path.join(folder, file));
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "text/plain" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}

test("every state of every page is accessible and looks as it did", async () => {
  const faults = [];
  const rest = [...names];
  const look = async () => {
    const context = await browser.newContext({
      viewport: { width: WIDE, height: 900 },
      reducedMotion: "reduce",
      locale: "en-US",
    });
    const [page, canvas] = [await context.newPage(), await context.newPage()];
    for (let name = rest.shift(); name; name = rest.shift()) {
      faults.push(...(await faultsOfState(page, canvas, name.replace(/\.html$/, ""))));
    }
    await context.close();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));

  if (UPDATE) return writeFile(KNOWN, sorted(seen));
  for (const name of Object.keys(known)) {
    if (!(name in seen)) faults.push(`${name} is gone`);
  }
  assert.deepEqual(faults, []);
});

async function faultsOfState(page, canvas, name) {
  await page.setViewportSize({ width: WIDE, height: 900 });
  await page.goto(`${origin}/${name}.html`, { waitUntil: "load" });
  // A mail has no page around it, and a part stands on another's: rules for whole pages do not bind.
  const isPage = !/^(mail|part)-/.test(name);
  const faults = isPage ? await faultsOf(page, name, [WIDE]) : [];
  seen[name] = await pictures(page, canvas);
  if (UPDATE) return faults;
  if (!known[name]) return [...faults, `${name} is new; see the head of states.test.js`];
  for (const [size, before] of Object.entries(known[name])) {
    const other = difference(before.split(" "), seen[name][size].split(" "));
    if (other) faults.push(`${name}, ${size}: ${other}`);
  }
  return faults;
}

async function pictures(page, canvas) {
  const found = {};
  for (const width of [390, WIDE]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const png = await page.screenshot({ fullPage: true, animations: "disabled" });
      found[`${width} ${colorScheme}`] = (await reduced(canvas, png)).join(" ");
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  return found;
}

/** One state a line, so that a change shows which. */
function sorted(states) {
  const lines = Object.keys(states)
    .sort()
    .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(states[name])}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}
