// Our program as a child process in a folder of its own, which is deleted when it stops.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const START_SECONDS_MAX = 60;
const STOP_SECONDS_MAX = 10;

/**
 * Starts the program with the arguments that `args(folder)` returns, which must include `--json`, and
 * waits for its first line: `started` is that line, parsed.
 */
export async function startProgram(args, env = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "lbx-e2e-"));
  const child = spawn(await program(), args(folder), {
    cwd: folder,
    env: { ...withoutSettings(process.env), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Stops the program if the test run is interrupted.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const log = [];
  child.stderr.setEncoding("utf8").on("data", (text) => log.push(text));
  try {
    const started = JSON.parse(await firstLine(child, log));
    return { started, pid: child.pid, log: () => log.join(""), stop };
  } catch (error) {
    kill();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }

  async function stop() {
    process.removeListener("exit", kill);
    if (child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const patience = setTimeout(kill, STOP_SECONDS_MAX * 1000);
      await ended;
      clearTimeout(patience);
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Ports that nothing listens on. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** The program to test: `LBX_BIN`, or the latest build in cargo's target folder. */
async function program() {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const built = path.resolve(root, target, "debug/localboxs-billing");
  const file = process.env.LBX_BIN ?? built;
  await access(file).catch(() => {
    throw new Error(`There is no program at ${file}: run cargo build first.`);
  });
  return file;
}

/** The environment without our settings, so that the demo is the same on every machine. */
function withoutSettings(environment) {
  const ours = /^(LBX_|STRIPE_|DATABASE_URL$|SMTP_|LOG|RUST_LOG)/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ours.test(name)));
}

async function firstLine(child, log) {
  const lines = createInterface({ input: child.stdout });
  const patience = AbortSignal.timeout(START_SECONDS_MAX * 1000);
  const failed = once(child, "exit").then(() => {
    throw new Error(`The program ended before it answered:\n${log.join("")}`);
  });
  failed.catch(() => {});
  const [line] = await Promise.race([once(lines, "line", { signal: patience }), failed]);
  child.stdout.resume();
  return line;
}
