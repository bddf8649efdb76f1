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

const AGAIN = "Loading the page again, past the browser's cache, may help.";
const UNABLE = "It needs WebAssembly with SIMD: any browser from 2023 on.";

/** The list's SHA-256, where the document that loads this script names it: `embed.js?site=…`. */
const SITE = new URL(import.meta.url).searchParams.get("site");

let starting;

/** The program and its style, fetched once; a failure is forgotten, so that the next try is a new one. */
function program() {
  starting ??= (async () => {
    const { page } = JSON.parse(await list());
    const [module, program] = await Promise.all([
      script(page.js, vouched(page.js, page.js_sha256)),
      compiled(page.wasm, vouched(page.wasm, page.wasm_sha256)),
    ]);
    await module.default({ module_or_path: program }).catch((error) => {
      throw new Error(UNABLE, { cause: error });
    });
    if (SITE) module.trust(SITE);
    return { module, style: { href: new URL(page.css, BASE).href, integrity: vouched(page.css, page.css_sha256) } };
  })().catch((error) => {
    starting = undefined;
    throw error;
  });
  return starting;
}

/** The text of the site's list, which is the one that the document named, if it did. */
async function list() {
  const href = new URL("site.json", BASE).href;
  const answer = await fetch(href, { cache: "no-cache", integrity: sri(SITE) }).catch(async () => {
    throw new Error(await why(href));
  });
  if (!answer.ok || answer.headers.get("Content-Type")?.startsWith("text/html")) throw new Error(await why(href, answer));
  return answer.text();
}

/** What a file must be, as the list says; where the document names the list, that has to say it. */
function vouched(file, sha256) {
  if (SITE && !sha256) throw new Error(`${file} is not used: the site's list does not say what it must be.`);
  return sri(sha256);
}

/** A SHA-256 as `integrity` has it. */
function sri(sha256) {
  if (!sha256) return "";
  return `sha256-${btoa(String.fromCharCode(...(sha256.match(/../g) ?? []).map((digits) => parseInt(digits, 16))))}`;
}

/*
 * The next four functions are in `start.js`, too: a file that both import would itself be loaded without a hash.
 */

/** A module that is what was built. A browser checks a script's element, and what it has checked it imports. */
async function script(file, integrity) {
  const { href } = new URL(file, BASE);
  if (integrity) {
    const element = Object.assign(document.createElement("script"), { type: "module", src: href, integrity });
    // A policy that goes by nonces allows what the document's own scripts add, if it carries theirs.
    element.crossOrigin = "anonymous";
    element.nonce = document.querySelector("script[nonce]")?.nonce ?? "";
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
  const { href } = new URL(file, BASE);
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
      const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", ...style, crossOrigin: "anonymous" });
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
      if (says) says.textContent = `This instrument could not be loaded. ${error.message}`;
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
