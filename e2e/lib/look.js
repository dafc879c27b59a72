// The rules for every page: no accessibility violations, light and dark, wide and narrow; no horizontal
// scrolling; nothing in the browser's console; a small size; and no layout shifts while it loads.

import { readFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** The tags of the accessibility rules that every page must follow. */
export const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const WIDTHS = [320, 390, 640, 1280];
const WIDTHS_WITH_AXE = [390, 1280];
const HEIGHT = 900;
/** Largest size of a page with everything it loads, in bytes as transferred. */
const WEIGHT_MAX = 100_000;
/** Largest cumulative layout shift while a page loads: a tenth of what counts as good. */
const SHIFT_MAX = 0.01;
const SHOTS = process.env.E2E_SHOTS;

/** Checks the page in every size and color scheme, and returns its faults. */
export async function faultsOf(page, name) {
  const url = new URL(page.url()).pathname;
  const faults = (await loading(page)).map((fault) => `${name} (${url}) ${fault}`);
  const size = page.viewportSize();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: HEIGHT });
    const over = await sidewaysScroll(page);
    if (over) faults.push(`${name} (${url}) scrolls sideways at ${width} px: ${over}`);
    if (!WIDTHS_WITH_AXE.includes(width)) continue;
    // Scroll to the top, because a sticky bar covers content in the middle of a page.
    await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const violation of await violations(page, RULES)) {
        faults.push(`${name} (${url}), ${width} px, ${colorScheme}: ${violation}`);
      }
      await shoot(page, `${name}-${width}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(size);
  return faults;
}

/** The faults of the page while it loaded. */
async function loading(page) {
  const { weight, shift } = await page.evaluate(async () => {
    const parts = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
    const shifts = await new Promise((resolve) => {
      const seen = [];
      const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
      observer.observe({ type: "layout-shift", buffered: true });
      // Buffered entries arrive immediately, but nothing signals their absence, so wait briefly.
      setTimeout(() => resolve(seen), 50);
    });
    // Later shifts are caused by the user, or by this test.
    const loaded = parts[0].loadEventEnd;
    const ownDoing = (one) => !one.hadRecentInput && one.startTime < loaded + 300;
    return {
      weight: parts.reduce((sum, part) => sum + part.encodedBodySize, 0),
      shift: shifts.filter(ownDoing).reduce((sum, one) => sum + one.value, 0),
    };
  });
  const faults = [];
  if (!(weight > 0 && weight <= WEIGHT_MAX)) faults.push(`weighs ${weight} bytes`);
  if (shift > SHIFT_MAX) faults.push(`moves by ${shift} while it loads`);
  return faults;
}

/** Saves a screenshot of the page in the folder `E2E_SHOTS`, if that is set. */
async function shoot(page, name) {
  if (!SHOTS) return;
  await mkdir(SHOTS, { recursive: true });
  const file = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.png`;
  await page.screenshot({ path: path.join(SHOTS, file), fullPage: true });
}

/** By how much and through which elements the page is too wide for the screen, or undefined. */
export function sidewaysScroll(page) {
  return page.evaluate(overflow);
}

/** The violations that axe finds by the rules with these tags, except the rules in `without`. */
export async function violations(page, tags, without = []) {
  // Not a script element, because the page's content security policy would block it.
  await page.evaluate(`window.axe ? undefined : (() => { ${AXE}; })()`);
  const found = await page.evaluate(async ([tags, without]) => {
    const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
    const { violations } = await window.axe.run(document, { runOnly: tags, rules });
    return violations.map((one) => ({
      id: one.id,
      help: one.help,
      where: one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`),
    }));
  }, [tags, without]);
  return found.map((one) => `${one.id}: ${one.help}: ${one.where.join(" | ")}`);
}

/** Runs in the page: returns by how much and through which elements it is too wide, or undefined. */
function overflow() {
  const root = document.documentElement;
  const over = root.scrollWidth - root.clientWidth;
  if (over <= 0) return undefined;
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    return element.getBoundingClientRect().right > root.clientWidth + 1;
  });
  return `${over} px too wide, through ${wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 120))}`;
}
