// Rates every built page with Lighthouse, on a desktop and on a phone, and prints a table:
//
//     node tests/pages/lighthouse.mjs [page ...]
//
// The pages are served as their public host does it: compressed, and kept for ten minutes. Exits
// with 1 where accessibility, best practices or search engines get less than 100; how fast a page
// is depends on what else the machine does.

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";
import { execFileSync } from "node:child_process";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const ROOT = path.resolve(import.meta.dirname ?? ".", "../../_build/html");
const TYPES = {
  ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript",
  ".mjs": "text/javascript", ".svg": "image/svg+xml", ".webp": "image/webp", ".jpeg": "image/jpeg", ".woff": "font/woff",
  ".xml": "text/xml", ".txt": "text/plain",
};
const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];

const server = http.createServer((request, response) => {
  const file = path.join(ROOT, decodeURIComponent(new URL(request.url, "http://host").pathname));
  const type = TYPES[path.extname(file)] ?? "application/octet-stream";
  if (!file.startsWith(ROOT) || !fs.existsSync(file) || fs.statSync(file).isDirectory()) {
    response.writeHead(404).end();
    return;
  }
  let content = fs.readFileSync(file);
  const headers = { "Content-Type": type, "Cache-Control": "max-age=600" };
  if (/text|xml/.test(type)) {
    content = zlib.gzipSync(content);
    headers["Content-Encoding"] = "gzip";
  }
  response.writeHead(200, headers).end(content);
});

function chromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return execFileSync("sh", ["-c", "command -v chromium || command -v google-chrome"]).toString().trim();
}

const pages = process.argv.length > 2 ? process.argv.slice(2)
  : fs.readdirSync(ROOT, { recursive: true }).sort()
    // Search engines are told to leave these out, which Lighthouse takes for a fault.
    .filter((name) => name.endsWith(".html") && !/^(search|404|mnist-for-beginners)\.html$|^_/.test(name));

await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const chrome = await launch({
  chromePath: chromium(), chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu"],
});
let faults = 0;
console.log("| page | desktop | phone | kB | requests |\n|---|---|---|---:|---:|");
try {
  for (const page of pages) {
    const url = `http://127.0.0.1:${server.address().port}/${page}`;
    const cells = [];
    let loaded;
    for (const config of [desktopConfig, undefined]) {
      const options = { port: chrome.port, onlyCategories: CATEGORIES, logLevel: "silent" };
      const { lhr } = await lighthouse(url, options, config);
      const scores = CATEGORIES.map((name) => Math.round(100 * lhr.categories[name].score));
      cells.push(scores.join(" "));
      for (const name of CATEGORIES.slice(1)) {
        for (const { id, weight } of lhr.categories[name].auditRefs) {
          const { score, title } = lhr.audits[id];
          if (weight && score !== null && score < 1) {
            console.error(`${page}: ${title}`);
            faults += 1;
          }
        }
      }
      loaded = lhr.audits["network-requests"].details.items;
    }
    const bytes = loaded.reduce((sum, { transferSize }) => sum + transferSize, 0);
    console.log(`| ${page} | ${cells.join(" | ")} | ${Math.round(bytes / 1000)} | ${loaded.length} |`);
  }
} finally {
  chrome.kill();
  server.close();
}
process.exit(faults ? 1 : 0);
