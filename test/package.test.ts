// What a fresh clone's `npm ci` depends on: a lock file that is whole on every system and that any registry can serve.
import { spawnSync } from "node:child_process";
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

test("the library loads none of the packages that the server and the command line are for, and the server none that it may not need", () => {
  const loadedBy = (module: string): string[] => {
    const program = `
      await import(${JSON.stringify(new URL(module, import.meta.url).href)});
      const { createRequire } = await import("node:module");
      const packages = Object.keys(createRequire(import.meta.url).cache).map((path) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(path)?.[1]);
      // crabkv: where the binary under test is that of an installed package.
      console.log(JSON.stringify([...new Set(packages.filter((name) => name !== undefined && name !== "crabkv"))]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as string[];
  };
  expect(loadedBy("../dist/index.js")).toEqual([]);
  expect(loadedBy("../dist/server/index.js")).toEqual([]);
  expect(loadedBy("../dist/server/http.js")).toContain("prom-client");
  expect(loadedBy("../dist/cli/log.js")).toContain("pino");
});

test.each(["../package-lock.json", "../bench/package-lock.json"])(
  "%s has the packages for every system, not only for the one that it was made on",
  (path) => {
    const { packages } = readJson(path) as { packages: Record<string, { optionalDependencies?: object }> };
    const names = new Set(Object.keys(packages).map((at) => at.slice(at.lastIndexOf("node_modules/") + 13)));
    const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies),
    );
    expect(wanted.filter((name) => !names.has(name))).toEqual([]);
  },
);

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
