// node bench/browser/wait.mjs '{"modules": FOLDER, "site": FOLDER, "chrome": PROGRAM, "turns": N}'
//
// What a visitor waits for: opens the site's page in a headless Chromium without WebGPU, each time with an empty cache, and once more
// in the same one. Prints milliseconds since navigation, by visit and moment, as the last line, in JSON.

import { createRequire } from "node:module";
import path from "node:path";

import { serve } from "./serve.mjs";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
const { chromium } = require("playwright-core");

const { address, end } = await serve(asked.site);

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
    await page.goto(`${address}/`);
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
end();
console.log(JSON.stringify(found));
