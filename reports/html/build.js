// Bundles the island of the page: `npm run build` writes app.js and app.css, `node build.js DIRECTORY` writes them there.
// The same sources and the same lock file give the same bytes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const read = (...place) => JSON.parse(readFileSync(join(here, ...place), "utf8"));
const bundled = Object.keys(read("package.json").dependencies)
  .sort()
  .map((name) => read("node_modules", name, "package.json"))
  .map(({ name, version, license }) => `${name} ${version} (${license})`);

await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: process.argv[2] ?? here,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "ascii",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  banner: {
    js: `/* tailproof, Apache-2.0. Built from reports/html/src by \`make page\`. With ${bundled.join(", ")} and what they need. */`,
    css: "/* tailproof, Apache-2.0. Built from reports/html/src by `make page`. */",
  },
});
