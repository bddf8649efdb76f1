// node bench/browser/run.mjs '{"modules": FOLDER, "site": FOLDER, "made": FOLDER, "chrome": PROGRAM, ...}'
//
// Serves the site, the packages and this folder from one address, opens one headless Chromium, and prints what
// page.js found as the last line, in JSON. `cargo xtask bench` calls it; see docs/benchmarks.md.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
const { chromium } = require("playwright-core");

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const roots = { bench: here, npm: path.join(asked.modules, "node_modules"), made: asked.made };
const types = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript",
  ".json": "application/json", ".wasm": "application/wasm",
};

function place(address) {
  const parts = decodeURIComponent(new URL(address, "http://localhost").pathname).split("/").filter(Boolean);
  if (parts.includes("..")) return null;
  const root = roots[parts[0]];
  return root ? path.join(root, ...parts.slice(1)) : path.join(asked.site, ...parts);
}

const server = createServer((request, response) => {
  if (request.url === "/empty") {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>bench</title>");
    return;
  }
  if (request.url === "/favicon.ico") {
    response.writeHead(204).end();
    return;
  }
  const file = place(request.url);
  try {
    if (!file || !statSync(file).isFile()) throw new Error("no file");
  } catch {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

// A real adapter if there is one, else the one that Chromium brings: a program on the CPU.
const flags = {
  hardware: ["--no-sandbox", "--enable-unsafe-webgpu", "--enable-features=Vulkan"],
  software: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
};
const softwareNames = /swiftshader|llvmpipe|lavapipe|basic render/i;

async function open(args) {
  const browser = await chromium.launch({ executablePath: asked.chrome, args });
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`    ${message.text()}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/empty`);
  const adapter = await page.evaluate(async () => (await import("/bench/page.js")).adapter());
  return { browser, page, adapter };
}

let { browser, page, adapter } = await open(flags.hardware);
if (!adapter || softwareNames.test(adapter)) {
  await browser.close();
  ({ browser, page, adapter } = await open(flags.software));
}
const software = softwareNames.test(adapter ?? "");
const groups = [asked.cpu, ...(adapter ? [software ? asked.software : asked.gpu] : [])];
const found = await page.evaluate(async (ask) => {
  const { bench } = await import("/bench/page.js");
  return bench(ask, (line) => console.log(line));
}, { groups, tolerance: asked.tolerance });
const result = { browser: `Chromium ${browser.version()}`, adapter, software, ...found };
await browser.close();
server.close();
console.log(JSON.stringify(result));
