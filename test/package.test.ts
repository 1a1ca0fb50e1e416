// What a fresh clone's `npm ci` depends on: a lock file that is whole on every system and that any registry can serve.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Locked {
  version?: string;
  resolved?: string;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
}

test("the lock file gives every package a version and names no registry", () => {
  const { packages } = readJson("../package-lock.json") as { packages: Record<string, Locked> };
  const broken = Object.entries(packages).filter(
    ([, { version, resolved }]) => version === undefined || resolved !== undefined,
  );
  expect(broken).toEqual([]);
});

test("dependencies are pinned to exact versions", () => {
  const { dependencies = {}, devDependencies } = readJson("../package.json") as {
    dependencies?: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, range]) => !/^(npm:[\w@/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(range),
  );
  expect(loose).toEqual([]);
});
