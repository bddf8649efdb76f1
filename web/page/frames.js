// For a page with iframes of embed.html: gives each the height that it asks for.
//
//   <iframe src="…/embed.html?digit=7" sandbox="allow-scripts" loading="lazy" title="Digits from noise"></iframe>
//   <script type="module" src="…/frames.js"></script>
const OWN = new URL("embed.html", import.meta.url);
const [LEAST, MOST] = [80, 4000];

addEventListener("message", ({ source, origin, data }) => {
  if (data?.type !== "flow-digits:height" || !Number.isFinite(data.height)) return;
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow !== source) continue;
    const address = new URL(frame.src, document.baseURI);
    // A sandboxed frame has no origin of its own and says "null"; that it is ours is known by its window and its address.
    const expected = frame.sandbox.length > 0 && !frame.sandbox.contains("allow-same-origin") ? "null" : OWN.origin;
    if (origin !== expected || address.origin !== OWN.origin || address.pathname !== OWN.pathname) continue;
    frame.style.height = `${Math.min(Math.max(data.height, LEAST), MOST)}px`;
  }
});
