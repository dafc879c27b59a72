// Every page in every state, from the server's own samples: it must be accessible, fit the screen, and
// look the same as before. The pictures in states/ are so small that details of text don't matter.
// `E2E_UPDATE=1 npm run states` accepts the current look; `git status` shows which pictures changed.
// `E2E_SHOTS=FOLDER` saves full-size pictures to review first and compares none, so it can't be combined
// with `E2E_UPDATE`. `E2E_ONLY=billing` checks only the states whose names match.

import assert from "node:assert/strict";
import { access, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startBrowser } from "./lib/browser.js";
import { RULES, sidewaysScroll, violations } from "./lib/look.js";
import { difference, reduced } from "./lib/picture.js";
import { decoded, encoded } from "./lib/png.js";
import { startSamples } from "./lib/samples.js";

const KNOWN = fileURLToPath(new URL("states", import.meta.url));
const FONTS = fileURLToPath(new URL("lib/fonts.conf", import.meta.url));
const FONT_FILE = "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf";
const UPDATE = process.env.E2E_UPDATE === "1";
const SHOTS = process.env.E2E_SHOTS;
const ONLY = new RegExp(process.env.E2E_ONLY ?? "");
const HEIGHT = 900;
/** Each width and each color scheme once. The story covers all combinations. */
const VIEWS = [
  { view: "1280-light", width: 1280, colorScheme: "light" },
  { view: "390-dark", width: 390, colorScheme: "dark" },
];
/** Pixels of a screenshot per pixel of the page. Small screenshots are fast to take. */
const SCALE = 0.25;
/** Pixels of the page per pixel of the picture. */
const POINT = 8;
/** Browsers that check pages concurrently. In one browser, a page that isn't at the front may never be drawn. */
const AT_ONCE = 2;
/** How often a page is tried in a new browser: Chromium sometimes stops to draw, and never begins again. */
const TRIES_MAX = 3;
const DRAWN_WITHIN_MILLISECONDS = 15_000;
const RENDERING_ARGS = ["--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"];
/** Emails and fragments of host pages are not complete pages, so fewer rules apply to them. */
const RULES_OF_PARTS = RULES.filter((tag) => tag !== "best-practice");
const NOT_OF_PARTS = ["document-title", "html-has-lang"];
/** The largest number of faults that are reported. The first ones usually explain the rest. */
const REPORTED_MAX = 30;

const browsers = [];
let samples, found;

before(async () => {
  if (SHOTS && UPDATE) {
    throw new Error(
      "E2E_SHOTS saves full-size pictures and compares none, so E2E_UPDATE would update nothing. Set one of them.",
    );
  }
  await access(FONT_FILE).catch(() => {
    throw new Error("The pictures require the Debian package fonts-liberation.");
  });
  samples = await startSamples();
  found = SHOTS ?? (await mkdtemp(path.join(tmpdir(), "lbx-states-other-")));
  await mkdir(found, { recursive: true });
});

after(async () => {
  await Promise.all(browsers.map((browser) => browser.close()));
  await samples?.stop();
});

const RULE = `every state of every page is accessible and fits${SHOTS ? "" : ", and looks as it did"}`;
test(RULE, async (context) => {
  const faults = [];
  const rest = samples.names.filter((name) => ONLY.test(name));
  const look = async () => {
    let view = await opened();
    for (let name = rest.shift(), tries = 1; name; ) {
      try {
        faults.push(...(await faultsOfState(view.page, name)));
        [name, tries] = [rest.shift(), 1];
      } catch (error) {
        if (error.name !== "TimeoutError" || tries === TRIES_MAX) throw error;
        context.diagnostic(`${name}: ${error.message.split("\n")[0]} It is tried in a new browser.`);
        await view.browser.close();
        view = await opened();
        tries += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  if (!SHOTS) faults.push(...(await obsoletePictures()));

  if (faults.length > 0) context.diagnostic(`Pictures: ${found}`);
  else if (!SHOTS) await rm(found, { recursive: true });
  if (SHOTS) context.diagnostic(`No picture was compared: full-size pictures are in ${SHOTS}.`);
  const reported = faults.sort().slice(0, REPORTED_MAX).join("\n");
  assert.ok(faults.length === 0, `${faults.length} faults:\n${reported}`);
});

/** A page in a browser of its own. */
async function opened() {
  const browser = await startBrowser({
    args: RENDERING_ARGS,
    env: { ...process.env, FONTCONFIG_FILE: FONTS },
  });
  browsers.push(browser);
  const page = await browser.newPage({
    deviceScaleFactor: SHOTS ? 1 : SCALE,
    reducedMotion: "reduce",
    locale: "en-US",
  });
  page.setDefaultTimeout(DRAWN_WITHIN_MILLISECONDS);
  return { browser, page };
}

async function faultsOfState(page, name) {
  const faults = [];
  await page.goto(samples.url(name));
  for (const { view, width, colorScheme } of VIEWS) {
    await page.setViewportSize({ width, height: HEIGHT });
    await page.emulateMedia({ colorScheme });
    const screenshot = await page.screenshot({ fullPage: true, animations: "disabled" });
    const over = await sidewaysScroll(page);
    const found = [
      ...(over ? [`scrolls sideways: ${over}`] : []),
      ...(await against(page, name)),
      ...(await changes(page, `${name}-${view}`, screenshot)),
    ];
    faults.push(...found.map((fault) => `${name}, ${view}: ${fault}`));
  }
  return faults;
}

function against(page, name) {
  if (name.startsWith("part-")) return violations(page, RULES_OF_PARTS, NOT_OF_PARTS);
  return violations(page, name.startsWith("email-") ? RULES_OF_PARTS : RULES);
}

/** How the page differs from its stored picture; an empty list if it doesn't or when updating. */
async function changes(page, name, screenshot) {
  if (SHOTS) {
    await writeFile(path.join(SHOTS, `${name}.png`), screenshot);
    return [];
  }
  const now = reduced(decoded(screenshot));
  const file = path.join(KNOWN, `${name}.png`);
  const known = await readFile(file).then(decoded, () => undefined);
  const other = known && difference(known, now);
  if (known && !other) return [];
  if (UPDATE) {
    await mkdir(KNOWN, { recursive: true });
    await writeFile(file, encoded(now));
    return [];
  }
  await writeFile(path.join(found, `${name}.png`), screenshot);
  if (!known) return ["is new; see the head of states.test.js"];
  return [`${other.says}, ${await places(page, other.points)}`];
}

/** Describes the elements of the page at the first pixels that differ. */
async function places(page, points) {
  const parts = await page.evaluate(
    ([points, size]) => {
      const at = ({ x, y }) => {
        // Scroll it to the middle of the screen, where nothing covers it.
        window.scrollTo(0, y * size - window.innerHeight / 2);
        return document.elementFromPoint(x * size + size / 2, y * size - window.scrollY + size / 2);
      };
      const said = points.map((point) => at(point)?.outerHTML.replace(/\s+/g, " ").slice(0, 100));
      window.scrollTo(0, 0);
      return [...new Set(said)].slice(0, 4);
    },
    [points.slice(0, 200), POINT],
  );
  return `at ${parts.join(" | ")}`;
}

/** Reports, or when updating deletes, the pictures of states that no longer exist. */
async function obsoletePictures() {
  const expected = new Set(samples.names.flatMap((name) => VIEWS.map(({ view }) => `${name}-${view}.png`)));
  const known = await readdir(KNOWN).catch(() => []);
  const obsolete = known.filter((file) => !expected.has(file));
  if (!UPDATE) return obsolete.map((file) => `${file} is a picture of a state that no longer exists`);
  await Promise.all(obsolete.map((file) => rm(path.join(KNOWN, file))));
  return [];
}
