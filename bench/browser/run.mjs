// node bench/browser/run.mjs '{"modules": FOLDER, "site": FOLDER, "made": FOLDER, "chrome": PROGRAM, ...}'
//
// Serves the site, the packages and this folder from one address, opens one headless Chromium, and prints what
// page.js found as the last line, in JSON. `cargo xtask bench` calls it; see docs/benchmarks.md.

import { createRequire } from "node:module";
import path from "node:path";

import { serve } from "./serve.mjs";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
const { chromium } = require("playwright-core");

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const { address, end } = await serve(asked.site, {
  roots: { bench: here, npm: path.join(asked.modules, "node_modules"), made: asked.made },
  pages: { "/empty": '<!doctype html><link rel=icon href="data:,"><title>bench</title>' },
});

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
  await page.goto(`${address}/empty`);
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
end();
console.log(JSON.stringify(result));
