// What importing this package and its adapters loads: the library's own import stays light, and an adapter loads at most the
// package that it is for.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const dist = new URL("../../dist/", import.meta.url);
const require = createRequire(import.meta.url);
const adapters = ["express-rate-limit", "express-session", "keyv", "unstorage"];

/** The modules that an entry loads, its own ones by their path in dist, others by name. */
function loadedBy(entry: string): Set<string> {
  const loaded = new Set<string>();
  const visit = (url: URL): void => {
    const path = url.href.slice(dist.href.length);
    if (loaded.has(path)) return;
    loaded.add(path);
    const code = readFileSync(url, "utf8");
    const imports = /^(?:import|export)\b[^;]*?\bfrom "([^"]+)";$|^import "([^"]+)";$|\brequire\("([^"]+)"\)/gm;
    for (const [, from, bare, required] of code.matchAll(imports)) {
      const name = (from ?? bare ?? required)!;
      if (name.endsWith(".node")) continue; // the addon itself
      if (name.startsWith(".")) visit(new URL(name, url));
      else loaded.add(name);
    }
  };
  visit(new URL(entry, dist));
  return loaded;
}

const packagesOf = (loaded: Set<string>): string[] =>
  [...loaded].filter((name) => !name.startsWith("node:") && !/\.c?js$/.test(name));

test("the library loads nothing but itself and Node", () => {
  const loaded = loadedBy("index.js");
  expect(loaded.has("store.js")).toBe(true);
  expect(packagesOf(loaded)).toEqual([]);
  expect([...loaded].filter((path) => /^(adapters|server|cli)\//.test(path))).toEqual([]);
});

test.each(adapters)("crabkv/%s loads at most its own package", (name) => {
  const loaded = loadedBy(`adapters/${name}.js`);
  expect(packagesOf(loaded)).toEqual(name === "express-session" ? [name] : []);
  expect([...loaded].filter((path) => /^(server|cli)\//.test(path))).toEqual([]);
});

test.each(adapters)("crabkv/%s is an entry of the package, with types and an optional peer", (name) => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", dist), "utf8")) as {
    exports: Record<string, Record<"import" | "require", { types: string; default: string }>>;
    peerDependencies: Record<string, string>;
    peerDependenciesMeta: Record<string, { optional: boolean }>;
  };
  const entry = manifest.exports[`./${name}`]!;
  for (const { types, default: code } of Object.values(entry)) {
    expect(readFileSync(new URL(`../${types}`, dist), "utf8")).toContain("export ");
    expect(existsSync(new URL(`../${code}`, dist)), code).toBe(true);
  }
  expect(require.resolve(`crabkv/${name}`)).toBe(fileURLToPath(new URL(`../${entry.require.default}`, dist)));
  expect(manifest.peerDependencies[name]).toBeDefined();
  expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
});

test.runIf(process.features.require_module)("the adapters can be required, where modules can be", () => {
  const required = adapters.map((name) => Object.keys(require(`crabkv/${name}`) as object));
  expect(required.flat()).toEqual(
    expect.arrayContaining(["RateLimitStore", "SessionStore", "Keyv5Storage", "Keyv6Storage", "default"]),
  );
});
