// The server's own samples of its pages as files, and a small server that serves them to a browser.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
/** Pages with pending work reload themselves, with and without script; in a sample it never completes. */
const REFRESH = /<meta http-equiv="refresh"[^>]*>| data-refresh="\d+"/g;
const COMMAND = ["test", "--quiet", "--locked", "-p", "views", "--lib", "the_samples_are_written"];

/** Serves the samples in `LBX_SAMPLES_DIR`, or new ones. Returns their names, their URLs and `stop`. */
export async function startSamples() {
  const own = process.env.LBX_SAMPLES_DIR;
  const folder = own ?? (await mkdtemp(path.join(tmpdir(), "lbx-states-")));
  const ended = () => own || rm(folder, { recursive: true, force: true });
  if (!own) await written(folder).catch((error) => ended().then(() => Promise.reject(error)));
  const files = await readdir(folder);
  const server = createServer((request, response) => answer(folder, request, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    names: files.flatMap((file) => (file.endsWith(".html") ? [file.slice(0, -5)] : [])).sort(),
    url: (name) => `http://127.0.0.1:${server.address().port}/${name}.html`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await ended();
    },
  };
}

function written(folder) {
  return promisify(execFile)("cargo", COMMAND, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...process.env, LBX_SAMPLES_DIR: folder },
  });
}

async function answer(folder, request, response) {
  const { pathname } = new URL(request.url, "http://127.0.0.1");
  const type = TYPES[path.extname(pathname)];
  try {
    const body = await readFile(path.join(folder, pathname));
    response.writeHead(200, { "content-type": type ?? "text/plain" });
    response.end(type === "text/html" ? body.toString().replace(REFRESH, "") : body);
  } catch {
    response.writeHead(404).end();
  }
}
