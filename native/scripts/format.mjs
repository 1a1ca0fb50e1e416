// Checks (or with --write, applies) the format of every source in the repository: Prettier for TypeScript, JavaScript and
// JSON, clang-format for our own C++. Exits 1 when a file is not as they would write it. Paths given limit it to them.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(import.meta.url);
const write = process.argv.includes("--write");
const given = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const isCpp = (path) => /\.(cc|h)$/.test(path);

const prettierPatterns = [
  "*.{js,json,ts}",
  "src/**/*.{ts,cts}",
  "test/**/*.{ts,mts,cjs,mjs,json}",
  "native/scripts/*.mjs",
  "bench/**/*.{mjs,json}",
  "!**/node_modules/**",
  "!**/package-lock.json",
];

function cppFiles() {
  if (given.length > 0) return given.filter(isCpp);
  return ["native/core", "native/protocol", "native/addon", "test/native", "test/fuzz", "test/instructions"]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter(isCpp)
    .sort();
}

function prettierFiles() {
  return given.length > 0 ? given.filter((path) => !isCpp(path)) : prettierPatterns;
}

// Prints at most a line a file: what clang-format says of every place is only noise, since `npm run format` mends them all.
function run(name, script, args) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return true;
  const places = [...result.stderr.matchAll(/^(\S+\.(?:cc|h)):\d+:\d+: error/gm)];
  const files = [...new Set(places.map((match) => match[1]))];
  process.stderr.write(files.length > 0 ? files.map((file) => `${name}: ${file}\n`).join("") : result.stderr);
  return false;
}

const prettier = join(dirname(require.resolve("prettier/package.json")), "bin", "prettier.cjs");
const clangFormat = require.resolve("clang-format/index.js");
const prettierMode = [write ? "--write" : "--check", "--log-level=warn", "--no-error-on-unmatched-pattern"];
const clangMode = write ? ["-i"] : ["--dry-run", "-Werror"];

const good = [
  prettierFiles().length === 0 || run("prettier", prettier, [...prettierMode, ...prettierFiles()]),
  cppFiles().length === 0 || run("clang-format", clangFormat, [...clangMode, "-style=file", ...cppFiles()]),
];
if (!good.every(Boolean)) console.error("not formatted; `npm run format` writes it");
process.exitCode = good.every(Boolean) ? 0 : 1;
