// Stripe's command line, with a home of its own. It reaches nothing but this machine.

import { execFile, spawn } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";

import { KEY } from "./twin.js";

const SECONDS_MAX = 60;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

const run = promisify(execFile);

/** The command line, for the API at `base`, which must name 127.0.0.1. */
export async function commandLine(base) {
  const binary = await program();
  const home = await mkdtemp(path.join(tmpdir(), "lbx-stripe-cli-"));
  const api = ["--api-base", base, "--api-key", KEY, "--color", "off"];
  const options = { env: environment(home), cwd: home };
  after(() => rm(home, { recursive: true, force: true }));
  return {
    home,

    /** Runs a command on the API, and returns what it prints. Throws an error with that if it fails. */
    async run(...words) {
      const limits = { timeout: SECONDS_MAX * 1000, maxBuffer: OUTPUT_BYTES_MAX };
      try {
        const { stdout } = await run(binary, [...words, ...api], { ...options, ...limits });
        return stdout;
      } catch (error) {
        throw new Error(`stripe ${words.join(" ")}: ${error.stderr || error.message}`);
      }
    },

    /** Runs a command on the API, and returns the JSON that it prints. */
    async json(...words) {
      const printed = await this.run(...words);
      return JSON.parse(printed.slice(printed.indexOf("{")));
    },

    /** Starts a command that keeps running. */
    start: (...words) => spawn(binary, [...words, ...api], { ...options, stdio: ["ignore", "pipe", "pipe"] }),

    /** Runs a command that uses no API. */
    plain: async (...words) => (await run(binary, words, options)).stdout,
  };
}

/** No telemetry, no look for updates: the proxy for everything but this machine refuses. */
function environment(home) {
  const nowhere = "http://127.0.0.1:9";
  return {
    PATH: process.env.PATH,
    HOME: home,
    XDG_CONFIG_HOME: home,
    HTTP_PROXY: nowhere,
    HTTPS_PROXY: nowhere,
    NO_PROXY: "127.0.0.1",
    STRIPE_CLI_TELEMETRY_OPTOUT: "1",
  };
}

/** The binary that npm installed, or the one that `STRIPE_CLI` names. */
async function program() {
  if (process.env.STRIPE_CLI) return process.env.STRIPE_CLI;
  const name = `@stripe/cli-${process.platform}-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const binary = path.join(path.dirname(manifest), "bin/stripe");
    await access(binary);
    return binary;
  } catch {
    throw new Error(`There is no ${name}: name a binary of version 1.52.0 as STRIPE_CLI.`);
  }
}
