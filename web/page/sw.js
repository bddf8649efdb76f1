// Keeps the site for readers without a network, one version at a time.
//
// The build writes the lists before this file and so makes each deployment's file another one: `version` names the
// deployment, `shell` holds what the page needs to draw its first digits, and `later` what is fetched only when it is asked
// for (other models, the GPU's program), each with its SHA-256.
//
// - A version is kept whole or not at all: every file of the shell is checked against its SHA-256, so half a deployment, or
//   two mixed, is not installed.
// - A page is answered from one version only. A new one waits until no page of the old one is open, or until the only
//   one is loaded again.
// - What is fetched later has its content's hash in its address, so versions share it. It is passed on as it comes, and
//   kept when it has turned out to be the published file.
const { version, shell, later } = self.site;

const prefix = `flow-digits ${registration.scope} `;
const shellCache = prefix + version;
const laterCache = `${prefix}later`;

/** How often a waiting version is asked to take over before the old one goes on. */
const MOST_REQUESTS = 5;
let requests = 0;

const base64 = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((digits) => parseInt(digits, 16))));

/** Whether an address names its content, so that the browser's own cache can be believed. */
const isHashed = (name) => /[-.][0-9a-f]{12,}[._]|[?&]v=[0-9a-f]{8,}/.test(name);

/** A file of the shell from the network, with the content that this version has it with. */
async function fetched(name) {
  const integrity = `sha256-${base64(shell[name])}`;
  const ask = (cache) => fetch(name, { cache, integrity, credentials: "same-origin" });
  // A hashed file that the page has just loaded need not travel twice; if the cache has it wrong, the server is asked.
  const response = isHashed(name) ? await ask("default").catch(() => ask("reload")) : await ask("no-cache");
  if (!response.ok) throw new Error(`${name}: status ${response.status}`);
  // A browser refuses a redirected answer for a page. Some hosts redirect `page.html` to `page`.
  return response.redirected ? new Response(response.body, { headers: response.headers }) : response;
}

async function install() {
  const isNew = !(await caches.has(shellCache));
  try {
    const names = Object.keys(shell);
    const responses = await Promise.all(names.map(fetched));
    const cache = await caches.open(shellCache);
    await Promise.all(names.map((name, index) => cache.put(name, responses[index])));
  } catch (error) {
    // A version that came back may still serve the pages that it was opened with.
    if (isNew) await caches.delete(shellCache);
    throw error;
  }
}

/** Removes what no version needs any more. Caches of another copy of this site on the same host are not ours. */
async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(prefix) && name !== shellCache && name !== laterCache) await caches.delete(name);
  }
  const cache = await caches.open(laterCache);
  const wanted = new Set(Object.keys(later).map((name) => new URL(name, registration.scope).href));
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) await cache.delete(request);
  }
}

async function kept(name) {
  const cache = await caches.open(shellCache);
  return (await cache.match(name)) ?? fetched(name);
}

/** A page, from this version; or, if a newer one waits and no page of this one stays open, a sign to ask that one. */
async function page(name, request) {
  const { waiting } = registration;
  if (waiting && requests < MOST_REQUESTS && (await othersOpen(request)) === 0) {
    requests += 1;
    waiting.postMessage("take over");
    return again();
  }
  try {
    return await kept(name);
  } catch {
    // The browser has thrown the version away, and the server has another: go out of the way.
    if (!navigator.onLine) return Response.error();
    await registration.unregister();
    return again();
  }
}

/** How many pages of this site stay open when this one is answered; one that is loaded again is open until then. */
async function othersOpen(request) {
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows.filter((client) => client.url.startsWith(registration.scope)).length;
  // Firefox tells a reload by its cache mode alone.
  const isReload = request.isReloadNavigation || request.cache === "no-cache";
  return isReload ? Math.max(open - 1, 0) : open;
}

const again = () => new Response("", { headers: { "Content-Type": "text/html", Refresh: "0" } });

/** What is fetched on first use and then kept. The page asks past the cache for what turned out to be damaged. */
async function onFirstUse(event, name) {
  const cache = await caches.open(laterCache);
  const past = ["reload", "no-store"].includes(event.request.cache);
  const found = past ? undefined : await cache.match(name);
  if (found) return found;
  const response = await fetch(event.request);
  if (response.status === 200) {
    // Behind the page's back, which reads what comes at once. Without room the file is just not kept.
    const kept = keep(cache, name, response.clone());
    event.waitUntil(kept.catch((why) => console.warn(`${name} is not kept:`, why)));
  }
  return response;
}

/** Keeps a file if it is the published one. Of another one the page speaks, which looks at what it gets. */
async function keep(cache, name, response) {
  const bytes = await response.clone().arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  if (btoa(String.fromCharCode(...digest)) !== base64(later[name])) throw new Error("its fingerprint differs");
  await cache.put(name, response);
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("message", ({ data }) => {
  if (data === "take over") self.skipWaiting();
});
addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const home = new URL(registration.scope);
  if (request.method !== "GET" || url.origin !== home.origin || !url.pathname.startsWith(home.pathname)) return;
  const path = url.pathname.slice(home.pathname.length);
  // A query chooses what a page shows, or makes a script start anew; only `?v=` is part of a name.
  const named = [path + url.search, path === "" || path === "index.html" ? "./" : path];
  const inShell = named.find((name) => Object.hasOwn(shell, name));
  if (inShell) {
    event.respondWith(request.mode === "navigate" ? page(inShell, request) : kept(inShell));
    return;
  }
  const inLater = named.find((name) => Object.hasOwn(later, name));
  if (inLater) event.respondWith(onFirstUse(event, inLater));
});
