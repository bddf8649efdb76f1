// Starts the page's program, and after it the service worker that keeps the site for readers without a network. It is a
// file of its own because a strict content security policy refuses inline scripts; the build writes the names of the
// program's two files into this script's element.
const AGAIN = "Loading the page again, past the browser's cache, may help.";
const UNABLE =
  "It needs WebAssembly with SIMD: any browser from 2023 on, with JavaScript allowed. Loading the page again may help.";

const { js, wasm, jsIntegrity, wasmIntegrity, site } = document.querySelector("script[data-wasm]").dataset;
try {
  const [page, program] = await Promise.all([script(js, jsIntegrity), compiled(wasm, wasmIntegrity)]);
  await page.default({ module_or_path: program }).catch((error) => {
    throw new Error(UNABLE, { cause: error });
  });
  if (site) page.trust(site);
  page.open();
  if (document.readyState === "complete") keep();
  else addEventListener("load", keep, { once: true });
} catch (error) {
  console.warn("The page's program did not start:", error, error.cause);
  document.documentElement.dataset.state = "error";
  const says = document.getElementById("boot-says");
  if (says) {
    says.textContent = `The program behind this page did not start. ${error.message}`;
    const again = Object.assign(document.createElement("button"), { textContent: "Load the page again" });
    again.addEventListener("click", () => location.reload());
    says.after(again);
  }
}

/*
 * The next four functions are in `embed.js`, too: a file that both import would itself be loaded without a hash.
 */

/** A module that is what was built. A browser checks a script's element, and what it has checked it imports. */
async function script(file, integrity) {
  const { href } = new URL(file, document.baseURI);
  if (integrity) {
    const element = Object.assign(document.createElement("script"), { type: "module", src: href, integrity });
    await new Promise((done, fail) => {
      element.onload = done;
      element.onerror = async () => fail(new Error(await why(href)));
      document.head.append(element);
    });
    element.remove();
  }
  return import(href);
}

/** A program that is what was built: compiled while it arrives, and given out when its fingerprint is right. */
async function compiled(file, integrity) {
  const { href } = new URL(file, document.baseURI);
  // Pages without a secure connection have no `crypto.subtle`; the browser itself checks, but compiles later.
  const early = !integrity || crypto.subtle;
  const response = await fetch(href, early ? {} : { integrity }).catch(async () => {
    throw new Error(await why(href));
  });
  if (!response.ok) throw new Error(await why(href, response));
  const copy = response.clone().arrayBuffer();
  const program = WebAssembly.compileStreaming(response).catch(() => undefined);
  const bytes = await copy.catch(() => {
    throw new Error(`The connection broke off while ${name(href)} was on its way. ${AGAIN}`);
  });
  if (integrity && early) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    if (`sha256-${btoa(String.fromCharCode(...digest))}` !== integrity) throw new Error(await why(href, response));
  }
  // Some servers don't name WebAssembly's type, and then it can't be compiled while it arrives.
  return (await program) ?? WebAssembly.compile(bytes).catch((error) => {
    throw new Error(UNABLE, { cause: error });
  });
}

/** Why a file is of no use, in a sentence that names it. */
async function why(href, response) {
  const answer = response ?? (await fetch(href).catch(() => undefined));
  if (!answer) return `${name(href)} could not be fetched: the connection broke off, or you are offline. ${AGAIN}`;
  if (!answer.ok) return `${name(href)} could not be fetched: the server answered ${answer.status}. ${AGAIN}`;
  if (answer.headers.get("Content-Type")?.startsWith("text/html")) {
    return `${name(href)} did not arrive: the server sent a web page in its place. ${AGAIN}`;
  }
  return `${name(href)} was refused: it is not the file that was published, its fingerprint differs. ${AGAIN}`;
}

function name(href) {
  return new URL(href).pathname.split("/").pop();
}

/**
 * Keeps the site for readers without a network. On the document's element, `data-offline` says that it is kept; when a newer
 * version than the page's is kept too, `data-update` says so, and the event `update-ready` is sent to the window once.
 * To load the page again then shows the newer one.
 */
async function keep() {
  // A frame in another page is that page's affair.
  if (!("serviceWorker" in navigator) || window.top !== window) return;
  const said = document.documentElement.dataset;
  try {
    // Where a reader allows no storage, to look is refused already.
    const { serviceWorker } = navigator;
    // As the page begins: a version that takes over later is not the page's.
    const isKept = serviceWorker.controller !== null;
    const registration = await serviceWorker.register(new URL("sw.js", import.meta.url), { updateViaCache: "none" });
    const tell = () => {
      if (!isKept || !registration.waiting || said.update) return;
      said.update = "ready";
      dispatchEvent(new Event("update-ready"));
    };
    const follow = () => registration.installing?.addEventListener("statechange", tell);
    tell();
    follow();
    registration.addEventListener("updatefound", follow);
    // The browser looks for a new version by itself, but takes its time. A page that stays open for days looks when its
    // reader comes back to it. Without a network there is nothing to be said.
    const look = () => registration.update().catch(() => {});
    if (isKept) look();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") look();
    });
    await serviceWorker.ready;
    said.offline = "ready";
  } catch (error) {
    console.warn("The site is not kept for use without a network:", error);
  }
}
