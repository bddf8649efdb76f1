// <flow-digits>: handwritten digits forming from noise, in any document. See docs/embedding.md.
//
//   <script type="module" src="…/embed.js"></script>
//   <flow-digits digit="7" solver="heun" steps="8" seed="42"></flow-digits>
//
// This file is all that a page loads until an element comes near the window. Then the site's lists say where the program is,
// which is fetched once for all elements of the document; they share one worker and one model.

const BASE = new URL("./", import.meta.url);

/** Attributes that are parts of the plan, as docs/solvers-and-schedules.md has them. */
const PLAN = ["model", "digit", "solver", "schedule", "steps", "tol", "controller", "guidance", "seed", "count", "backend"];
const OTHERS = ["controls", "loading", "poster", "theme"];
/** How far from the window counts as near. */
const MARGIN = "600px";
const THEMES = ["light", "dark"];

let starting;

/** The program and its style, fetched once; a failure is forgotten, so that the next try is a new one. */
function program() {
  starting ??= (async () => {
    const answer = await fetch(new URL("site.json", BASE), { cache: "no-cache" });
    if (!answer.ok) throw new Error(`site.json: the server answered ${answer.status}`);
    const { page } = await answer.json();
    const module = await import(new URL(page.js, BASE).href);
    await module.default({ module_or_path: new URL(page.wasm, BASE) });
    return { module, style: new URL(page.css, BASE).href };
  })().catch((error) => {
    starting = undefined;
    throw error;
  });
  return starting;
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) target.load();
  },
  { rootMargin: MARGIN },
);

// Until the style sheet is here; afterwards it says the same and more. What waits is as high as the picture, its timeline and the
// line below will be.
const BEFORE = `
  :host { display: block; max-width: 36rem; margin-inline: auto; }
  :host([hidden]) { display: none; }
  .place { position: relative; }
  .wait { aspect-ratio: 1; padding-bottom: 4.625rem; display: grid; place-content: center; text-align: center; font: 0.9375rem/1.4 system-ui, sans-serif; }
  .wait[hidden] { display: none; }
  .wait img { max-width: 100%; height: auto; }
`;

class FlowDigits extends HTMLElement {
  static observedAttributes = [...PLAN, ...OTHERS];

  #root = this.attachShadow({ mode: "open" });
  #inside;
  #attached;
  #wanted = false;
  #told;
  #failed = false;

  constructor() {
    super();
    // Constructed style sheets and elements, never text: a strict policy refuses inline styles, and text is never markup.
    const before = new CSSStyleSheet();
    before.replaceSync(BEFORE);
    this.#root.adoptedStyleSheets = [before];
    this.#clear();
  }

  #clear() {
    const make = (name, properties = {}, ...inside) => {
      const made = Object.assign(document.createElement(name), properties);
      made.append(...inside);
      return made;
    };
    const wait = make("slot", { name: "poster" });
    const says = make("p", { className: "says" });
    const poster = this.#image();
    if (poster) wait.append(make("img", { src: poster, alt: "" }));
    this.#inside = make("div", { className: "place", hidden: true });
    this.#dress();
    const holds = make("div", { className: "wait" }, wait, says);
    holds.setAttribute("part", "poster");
    this.#root.replaceChildren(holds, this.#inside, make("slot", { name: "caption" }));
  }

  /** The poster's address, if it is one that shows a picture. */
  #image() {
    const poster = this.getAttribute("poster");
    if (!poster) return null;
    try {
      const url = new URL(poster, document.baseURI);
      return ["http:", "https:", "data:", "blob:"].includes(url.protocol) ? url.href : null;
    } catch {
      return null;
    }
  }

  connectedCallback() {
    // What was set before the element was defined is a plain property, and hides the element's own.
    for (const name of FlowDigits.observedAttributes) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    this.#dress();
    if (this.getAttribute("loading") === "eager") this.load();
    else near.observe(this);
  }

  disconnectedCallback() {
    near.unobserve(this);
    this.#wanted = false;
    if (this.#attached) {
      this.#attached.detach();
      this.#attached.free();
      this.#attached = undefined;
      this.#clear();
    }
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "theme") {
      this.#dress();
      this.#attached?.redraw();
    } else if (name === "poster" && !this.#attached) this.#clear();
    else if (name === "controls" && this.#attached) {
      this.disconnectedCallback();
      if (this.isConnected) this.load();
    } else if (PLAN.includes(name) && this.#attached) {
      clearTimeout(this.#told);
      // Several attributes may change together; the plan is read once they have.
      this.#told = setTimeout(() => this.#attached?.set(this.query));
    }
  }

  #dress() {
    const theme = this.getAttribute("theme");
    this.#inside.dataset.theme = THEMES.includes(theme) ? theme : "auto";
  }

  /** The attributes that are the plan, as the query of an address. */
  get query() {
    const fields = PLAN.filter((name) => this.hasAttribute(name));
    return fields.map((name) => `${name}=${encodeURIComponent(this.getAttribute(name))}`).join("&");
  }

  /** Fetches what is needed and begins; otherwise done when the element comes near the window. */
  async load() {
    near.unobserve(this);
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failed = false;
    try {
      const { module, style } = await program();
      if (!this.#wanted || this.#attached) return;
      const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: style });
      const shown = new Promise((done) => (sheet.onload = sheet.onerror = done));
      this.#root.prepend(sheet);
      await shown;
      if (!this.#wanted || this.#attached) return sheet.remove();
      const root = document.createElement("div");
      this.#inside.append(root);
      const tell = (name, details) => this.#tell(name, JSON.parse(details));
      this.#dress();
      this.#attached = module.attach(root, BASE.href, this.query, this.getAttribute("controls") ?? "", tell);
      this.#root.querySelector(".wait").hidden = true;
      this.#inside.hidden = false;
    } catch (error) {
      this.#wanted = false;
      this.#failed = true;
      const says = this.#root.querySelector(".says");
      if (says) says.textContent = "This instrument could not be loaded. Loading the page again may help.";
      this.#tell("error", { title: "The program did not arrive", message: String(error?.message ?? error) });
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: name !== "error", composed: true }));
  }

  /** Plays on, or from noise again. */
  play() {
    this.#attached?.play();
  }

  /** Stops where it is. */
  pause() {
    this.#attached?.pause();
  }

  /** Samples once more; with another plan, such as { seed: 7, digit: 3 }, that one. Resolves with the `sample` event's details. */
  async sample(plan = {}) {
    const unknown = Object.keys(plan).find((name) => !PLAN.includes(name));
    if (unknown !== undefined) throw new TypeError(`a plan has ${PLAN.join(", ")}, and no ${unknown}`);
    const heard = new AbortController();
    const { signal } = heard;
    const done = new Promise((resolve, reject) => {
      this.addEventListener("sample", (event) => resolve(event.detail), { signal });
      this.addEventListener("error", (event) => reject(new Error(event.detail.message)), { signal });
    }).finally(() => heard.abort());
    for (const [name, value] of Object.entries(plan)) this.setAttribute(name, String(value));
    if (this.#attached) {
      clearTimeout(this.#told);
      const before = this.#attached.plan;
      this.#attached.set(this.query);
      // The same plan, perhaps in other words: once more.
      if (this.#attached.plan === before) this.#attached.sample();
    } else this.load();
    return done;
  }

  /** The picture as it is shown ("image/png"), or the film ("image/gif"). */
  async toBlob(type = "image/png") {
    if (!this.#attached) throw new Error("there is no picture yet: wait for the event `ready`");
    return this.#attached.toBlob(type);
  }

  /** Where the picture is on its way: 0 noise, 1 digits. */
  get time() {
    return this.#attached?.time ?? 0;
  }

  set time(t) {
    if (this.#attached) this.#attached.time = Number(t);
  }

  /** The whole plan, with its defaults; empty before the element has begun. */
  get plan() {
    return this.#attached?.plan ?? "";
  }

  /** `waiting`, `loading`, `running`, `done` or `error`. */
  get state() {
    return this.#attached?.state ?? (this.#failed ? "error" : this.#wanted ? "loading" : "waiting");
  }
}

for (const name of [...PLAN, ...OTHERS]) {
  Object.defineProperty(FlowDigits.prototype, name, {
    get() {
      return this.getAttribute(name);
    },
    set(value) {
      if (value === null || value === undefined) this.removeAttribute(name);
      else this.setAttribute(name, String(value));
    },
    enumerable: true,
    configurable: true,
  });
}

if (!customElements.get("flow-digits")) customElements.define("flow-digits", FlowDigits);

export { FlowDigits };
