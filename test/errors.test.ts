// One table of codes, in two languages; and errors that a program can act on.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeTable, errorOfStatus } from "../src/errors.js";
import { CrabKVError, open } from "../src/index.js";
import { temporaryDirectory, temporaryStore } from "./temporary.js";

test("every code of the core has its own error, by the same number and name", () => {
  const header = readFileSync(new URL("../native/core/status.h", import.meta.url), "utf8");
  const enumeration = /enum class Code : uint8_t \{(?<body>[\s\S]*?)\};/.exec(header)!.groups!.body!;
  const entries = [...enumeration.matchAll(/^\s*k(\w+) = (\d+),/gm)].map(([, name, number]) => [name!, Number(number)]);
  expect(entries.length).toBeGreaterThan(10);
  const expected: (string | undefined)[] = [];
  for (const [name, number] of entries as [string, number][]) {
    expected[number] =
      number === 0 ? undefined : `CRABKV${name.replace(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()}`;
  }
  expect(codeTable).toEqual(expected);
});

test("an error has its code, and path, offset and errno only when there are any", () => {
  const corruption = errorOfStatus(4, "bad record", "/data/1.log", 320, undefined);
  expect(corruption).toBeInstanceOf(CrabKVError);
  expect(corruption).toMatchObject({
    name: "CrabKVError",
    code: "CRABKV_CORRUPTION",
    path: "/data/1.log",
    offset: 320,
  });
  expect(Object.keys(corruption)).toEqual(["code", "path", "offset"]);
  expect(Object.keys(errorOfStatus(7, "closed", undefined, undefined, undefined))).toEqual(["code"]);
  expect(String(corruption)).toBe("CrabKVError: bad record");
});

test("a caller's mistake that only the core sees is still a TypeError or a RangeError", () => {
  expect(errorOfStatus(1, "x", undefined, undefined, undefined)).toBeInstanceOf(TypeError);
  const tooLarge = errorOfStatus(2, "x", undefined, undefined, undefined);
  expect(tooLarge).toBeInstanceOf(RangeError);
  expect(tooLarge).toMatchObject({ code: "CRABKV_TOO_LARGE" });
});

test("a code that this version does not know is an internal error, not undefined", () => {
  expect(errorOfStatus(200, "x", undefined, undefined, undefined)).toMatchObject({ code: "CRABKV_INTERNAL" });
});

test("an error of the operating system has its errno and path", async () => {
  const path = join(temporaryDirectory(), "file");
  writeFileSync(path, "not a directory");
  const error: unknown = await open(path).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CrabKVError);
  expect((error as CrabKVError).message).toContain(path);
});

test("a directory full of something else is CRABKV_FORMAT and stays as it is", async () => {
  const path = join(temporaryDirectory(), "data");
  mkdirSync(path);
  writeFileSync(join(path, "MANIFEST"), "this is not a manifest of ours");
  await expect(open(path)).rejects.toMatchObject({ name: "CrabKVError" });
  expect(readFileSync(join(path, "MANIFEST"), "utf8")).toBe("this is not a manifest of ours");
});

test("promise-returning methods reject and never throw; sync ones throw", async () => {
  const db = await temporaryStore();
  const wrong = 5 as unknown as string;
  const calls = [
    () => db.put(wrong, "v"),
    () => db.get(wrong),
    () => db.getMany(wrong as unknown as string[]),
    () => db.delete(wrong),
    () => db.batch(wrong as unknown as []),
    () => db.expire(wrong, 1),
    () => db.has(wrong),
    () => db.clear(wrong as unknown as object),
    () => open(wrong),
    () => open("x", { sync: "maybe" as "os" }),
  ];
  for (const call of calls) {
    const promise = call();
    expect(promise).toBeInstanceOf(Promise);
    await expect(promise).rejects.toThrow(TypeError);
  }
  expect(() => db.getSync(wrong)).toThrow(TypeError);
  expect(() => db.getManySync([wrong])).toThrow(TypeError);
  expect(() => db.entries(wrong as unknown as object)).toThrow(TypeError);
  expect(() => db.createWriteStream(wrong as unknown as object)).toThrow(TypeError);
});
