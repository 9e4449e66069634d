// Bundles the island of the page: `npm run build` writes app.js, app.css and the licences of what is in them beside this
// file, `node build.js DIRECTORY` writes them there. The same sources and the same lock file give the same bytes.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2] ?? here;
const options = {
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "ascii",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  alias: { "d3-transition": "./src/timeline/no_transitions.ts" },
  metafile: true,
};

const { metafile } = await build({ ...options, write: false });
const inputs = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
const names = new Set(inputs.map((input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
const packages = [...names].sort().map((name) => {
  const place = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
  const file = readdirSync(place).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${relative(here, place)} has no licence file`);
  return { name, version, license, text: readFileSync(join(place, file), "utf8").trim() };
});

const ours = "tailproof, Apache-2.0. Built from reports/html/src by `make page`.";
const theirs = packages.map(({ name, version, license }) => `${name} ${version} (${license})`).join(", ");
await build({
  ...options,
  banner: { js: `/* ${ours} With ${theirs}: see third-party.txt. */`, css: `/* ${ours} */` },
});
writeFileSync(
  join(out, "third-party.txt"),
  packages.map(({ name, version, text }) => `${name} ${version}\n\n${text}\n`).join(`\n${"-".repeat(80)}\n\n`),
);
