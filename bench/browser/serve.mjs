// Serves folders from one address on this machine, for run.mjs and wait.mjs.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const types = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
  ".png": "image/png", ".json": "application/json", ".webmanifest": "application/manifest+json", ".wasm": "application/wasm",
};

/**
 * Serves `site`; an address whose first part is a name in `roots` comes from that folder, and `pages` holds the HTML of addresses
 * that are no files. Gives the address and a function that ends it.
 */
export async function serve(site, { roots = {}, pages = {} } = {}) {
  const place = (parts) => {
    if (parts.includes("..")) return null;
    const root = roots[parts[0]];
    return root ? path.join(root, ...parts.slice(1)) : path.join(site, ...(parts.length ? parts : ["index.html"]));
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname in pages) {
      response.writeHead(200, { "content-type": "text/html" }).end(pages[pathname]);
      return;
    }
    const file = place(decodeURIComponent(pathname).split("/").filter(Boolean));
    try {
      if (!file || !statSync(file).isFile()) throw new Error("no file");
    } catch {
      response.writeHead(404).end();
      return;
    }
    // Hashes are in names and addresses, as docs/hosting/nginx.conf has it.
    const kept = /-[0-9a-f]{16}|[?]v=/.test(request.url) ? "max-age=31536000, immutable" : "no-cache";
    response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream", "cache-control": kept });
    createReadStream(file).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { address: `http://localhost:${server.address().port}`, end: () => server.close() };
}
