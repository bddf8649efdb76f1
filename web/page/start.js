// Starts the page's program, and after it the service worker that keeps the site for readers without a network. It is a
// file of its own because a strict content security policy refuses inline scripts; the build writes the names of the
// program's two files into this script's element.
const { js, wasm } = document.querySelector("script[data-wasm]").dataset;
try {
  const page = await import(new URL(js, document.baseURI));
  await page.default({ module_or_path: new URL(wasm, document.baseURI) });
  page.open();
  if (document.readyState === "complete") keep();
  else addEventListener("load", keep, { once: true });
} catch (error) {
  console.warn("The page's program did not start:", error);
  document.documentElement.dataset.state = "error";
  const says = document.getElementById("boot-says");
  if (says) {
    says.textContent =
      "The program behind this page did not start in this browser. " +
      "It needs WebAssembly with SIMD: any browser from 2023 on, with JavaScript allowed. Loading the page again may help.";
  }
}

/**
 * Keeps the site for readers without a network. On the document's element, `data-offline` says that it is kept; when a newer
 * version than the page's is kept too, `data-update` says so, and the event `update-ready` is sent to the window once.
 * To load the page again then shows the newer one.
 */
async function keep() {
  // A frame in another page is that page's affair.
  if (!("serviceWorker" in navigator) || window.top !== window) return;
  const { serviceWorker } = navigator;
  const said = document.documentElement.dataset;
  // As the page begins: a version that takes over later is not the page's.
  const isKept = serviceWorker.controller !== null;
  try {
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
