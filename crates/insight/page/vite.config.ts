// Everything goes into one HTML file, which programs carry with them. The policy beside it lets a
// browser run the script of that file and no other.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

/** The hashes of all elements `tag` of a page, as a policy wants them. */
function hashes(html: string, tag: string): string {
  const bodies = [...html.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, "g"))];
  if (bodies.length === 0) throw new Error(`the page has no <${tag}>`);
  const hash = (body: string) => createHash("sha256").update(body).digest("base64");
  return bodies.map((match) => `'sha256-${hash(match[1] ?? "")}'`).join(" ");
}

function policy(): Plugin {
  let folder = "";
  return {
    name: "content-security-policy",
    enforce: "post",
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir);
    },
    closeBundle() {
      const html = readFileSync(join(folder, "index.html"), "utf8");
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
      writeFileSync(join(folder, "content-security-policy.txt"), rules.join("; "));
    },
  };
}

export default defineConfig({
  base: "./",
  build: { target: "es2022", modulePreload: false, reportCompressedSize: false, license: { fileName: "licenses.md" } },
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), policy()],
});
