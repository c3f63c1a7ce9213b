// Everything goes into one HTML file, which programs carry with them. The policy beside it lets a
// browser run the script of that file and no other.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

const PAGE = "dist/index.html";
const POLICY = "dist/content-security-policy.txt";

/** The hashes of all elements `tag` of a page, as a policy wants them. */
function hashes(html: string, tag: string): string {
  const bodies = [...html.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, "g"))];
  if (bodies.length === 0) throw new Error(`the page has no <${tag}>`);
  const hash = (body: string) => createHash("sha256").update(body).digest("base64");
  return bodies.map((match) => `'sha256-${hash(match[1] ?? "")}'`).join(" ");
}

function policy(): Plugin {
  return {
    name: "content-security-policy",
    enforce: "post",
    closeBundle() {
      const html = readFileSync(PAGE, "utf8");
      const rules = [
        "default-src 'none'",
        `script-src ${hashes(html, "script")}`,
        `style-src ${hashes(html, "style")}`,
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ];
      writeFileSync(POLICY, rules.join("; "));
    },
  };
}

export default defineConfig({
  base: "./",
  build: { target: "es2022", modulePreload: false, reportCompressedSize: false, license: { fileName: "licenses.md" } },
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), policy()],
});
