// node bench/browser/wait.mjs '{"modules": FOLDER, "site": FOLDER, "chrome": PROGRAM, "turns": N}'
//
// What a visitor waits for: opens the site's page in a headless Chromium without WebGPU, each time with an empty cache, and once more
// in the same one. Prints milliseconds since navigation, by visit and moment, as the last line, in JSON.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
const { chromium } = require("playwright-core");

const types = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png",
  ".json": "application/json", ".webmanifest": "application/manifest+json", ".wasm": "application/wasm",
};
const server = createServer((request, response) => {
  const parts = decodeURIComponent(new URL(request.url, "http://localhost").pathname).split("/").filter(Boolean);
  const file = path.join(asked.site, ...(parts.length ? parts : ["index.html"]));
  try {
    if (parts.includes("..") || !statSync(file).isFile()) throw new Error("no file");
  } catch {
    response.writeHead(404).end();
    return;
  }
  // Hashes are in names and addresses, as docs/hosting/nginx.conf has it.
  const kept = /-[0-9a-f]{16}|[?]v=/.test(request.url) ? "max-age=31536000, immutable" : "no-cache";
  response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream", "cache-control": kept });
  createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

/** Runs in the page before anything else: notes when what it says of its run changes. */
function watch() {
  Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined });
  window.seen = {};
  const look = () => {
    const state = document.querySelector("main [data-state]")?.dataset.state;
    const evaluations = parseInt(document.querySelector("[data-testid=evaluations]")?.textContent ?? "0", 10);
    if (evaluations > 0) window.seen.step ??= performance.now();
    if (state === "done" && evaluations > 0) window.seen.done ??= performance.now();
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}

const found = {};
for (let turn = 0; turn < asked.turns; turn++) {
  const browser = await chromium.launch({ executablePath: asked.chrome, args: ["--no-sandbox"] });
  const context = await browser.newContext();
  for (const visit of ["first", "second"]) {
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(`http://localhost:${server.address().port}/`);
    await page.waitForFunction(() => window.seen.done, undefined, { timeout: 120_000 });
    for (const [moment, ms] of Object.entries(await page.evaluate(() => window.seen))) {
      ((found[visit] ??= {})[moment] ??= []).push(ms);
    }
    // The service worker keeps the site meanwhile.
    await page.evaluate(async () => {
      const kept = (await navigator.serviceWorker.ready).active;
      while (kept.state !== "activated") await new Promise((on) => kept.addEventListener("statechange", on, { once: true }));
    });
    await page.close();
  }
  await browser.close();
  console.error(`    ${turn + 1} of ${asked.turns}: done after ${Math.round(found.first.done.at(-1))} and ${Math.round(found.second.done.at(-1))} ms`);
}
server.close();
console.log(JSON.stringify(found));
