// The inside of an iframe: one <flow-digits> with the plan of the address, and its height for the page around it.
// The document loads `embed.js` before it, by its hash; an import here would load it without one.
await customElements.whenDefined("flow-digits");

const asked = new URLSearchParams(location.search);
const element = document.createElement("flow-digits");
const known = customElements.get("flow-digits").observedAttributes;

/** Tells the reader, below the picture, of a field that means nothing here; of what others hang on links, only the console. */
function refuse(name) {
  const short = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  const says = `The address says “${short}”, which means nothing here; it may have ${known.join(", ")}.`;
  console.warn(`flow-digits: ${says}`);
  if (name.startsWith("utm_")) return;
  const told = Object.assign(document.createElement("p"), { slot: "caption", className: "refused", textContent: says });
  element.append(told);
}
for (const [name, value] of asked) {
  if (known.includes(name)) element.setAttribute(name, value);
  else refuse(name);
}
element.setAttribute("loading", "eager");
document.body.append(element);

// A height is no secret, and whoever embeds this frame may know it: so any page around it may hear it.
const tell = () => {
  const height = Math.ceil(element.getBoundingClientRect().height);
  if (window !== parent) parent.postMessage({ type: "flow-digits:height", height }, "*");
};
new ResizeObserver(tell).observe(element);

// What the page around may ask: to play, to pause, or another plan. Only that page is heard, and what can't be read is refused.
addEventListener("message", ({ source, data }) => {
  if (source !== parent || typeof data !== "object" || data === null) return;
  if (data.type === "flow-digits:play") element.play();
  else if (data.type === "flow-digits:pause") element.pause();
  else if (data.type === "flow-digits:set" && typeof data.plan === "object" && data.plan !== null) {
    element.sample(data.plan).catch((error) => console.warn("flow-digits:", error.message));
  }
});
