// Everything goes into one HTML file, which programs carry with them, and so do the licenses of what it
// is built of. The policy beside it lets a browser run the script of that file and no other.

import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
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

const LICENSES = "licenses.md";

function finish(): Plugin {
  let folder = "";
  return {
    name: "finish",
    enforce: "post",
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir);
    },
    closeBundle() {
      const page = join(folder, "index.html");
      const licenses = join(folder, LICENSES);
      const html = readFileSync(page, "utf8");
      const said = readFileSync(licenses, "utf8");
      if (said.includes("--")) throw new Error("the licenses would end the comment that they are in");
      writeFileSync(page, `${html.trimEnd()}\n<!--\n${said.trim()}\n-->\n`);
      rmSync(licenses);
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
  build: { target: "es2022", modulePreload: false, reportCompressedSize: false, license: { fileName: LICENSES } },
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), finish()],
});
