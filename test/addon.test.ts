// The addon by itself, past all the checks of TypeScript: whatever it is called with, it throws or answers, and the process
// lives. Seeded: a failure prints its seed by the arguments that were tried last.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { native } from "../src/native.js";
import { resolveOpenOptions } from "../src/options.js";
import { openStore, temporaryDirectory } from "./temporary.js";

// What is tried as a path, too, counts from here.
beforeAll(() => {
  const [before, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), "crabkv-"))];
  process.chdir(folder);
  return () => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  };
});

type AnyFunction = (...args: unknown[]) => unknown;

const functions = Object.entries(native as unknown as Record<string, AnyFunction>).filter(
  // Opening and closing are tried below; init would replace the functions that the store under test depends on.
  ([name, value]) => typeof value === "function" && !["init", "open", "close", "dumpSegment"].includes(name),
);

function functionNamed(wanted: string): AnyFunction {
  return functions.find(([name]) => name === wanted)![1];
}

function garbage(handle: number): unknown[] {
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  return [
    undefined,
    null,
    true,
    0,
    1,
    -1,
    1.5,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    1e308,
    handle,
    10n,
    "",
    "key",
    "\ud800",
    "\ufffd",
    "é".repeat(1000),
    "x".repeat(70_000),
    Symbol("s"),
    {},
    [],
    ["a", "b"],
    new Array(5),
    () => 1,
    new Date(),
    new Proxy({}, {}),
    detached,
    new Uint8Array(0),
    new Uint8Array(100),
    new Uint8Array(new SharedArrayBuffer(100)),
    new Uint16Array(16_384),
    new Uint32Array(1),
    new Uint32Array([3, 0, 2]),
    new Uint32Array([2 ** 32 - 1, 1]),
    new Int32Array(3),
    new Float64Array(9),
    new Float64Array([Number.NaN, -1, 1e300]),
    new ArrayBuffer(8),
    new SharedArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    Promise.resolve(),
  ];
}

/** A small generator, so that a run can be repeated by its seed. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function settle(call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
  }
}

async function openHandle(path: string): Promise<number> {
  const { native: options } = resolveOpenOptions({ sync: "os" });
  return native.open(path, options, () => undefined);
}

test.each(functions)("%s survives any arguments", async (_name, call) => {
  const handle = await openHandle(join(temporaryDirectory(), "data"));
  const values = garbage(handle);
  await settle(() => call());
  for (const value of values) {
    await settle(() => call(value));
    await settle(() => call(handle, value));
    await settle(() => call(handle, "key", value, value, value, value, value, value));
    await settle(() => call(handle, value, value, value, value, value, value, value));
  }
  const next = random(1);
  for (let i = 0; i < 1000; i++) {
    const args = Array.from({ length: 8 }, () => values[Math.floor(next() * values.length)]);
    await settle(() => call(handle, ...args));
  }
  await native.close(handle);
});

test("functions do not care about their receiver", async () => {
  const handle = await openHandle(join(temporaryDirectory(), "data"));
  const put = functionNamed("put");
  const getText = functionNamed("getText");
  for (const receiver of [undefined, null, 5, {}, native, globalThis]) {
    put.call(receiver, handle, "k", "v", 0);
    expect(getText.call(receiver, handle, "k", true)).toBe("v");
  }
  await native.close(handle);
});

test("a handle that was closed, or never given, finds nothing", async () => {
  const handle = await openHandle(join(temporaryDirectory(), "data"));
  const scan = native.scanOpen(handle, "", true, 0);
  await native.close(handle);
  for (const wrong of [handle, handle + 1, 0, -1, 1.5, Number.NaN, 2 ** 40]) {
    expect(() => native.put(wrong, "k", "v", 0)).toThrow(expect.objectContaining({ code: "CRABKV_CLOSED" }));
    expect(() => native.scanNext(wrong, scan, 1, 1)).toThrow(expect.objectContaining({ code: "CRABKV_CLOSED" }));
    native.kick(wrong);
    native.scanEnd(wrong, scan);
  }
});

test("a row takes up to 64 puts of short strings, and is refused whole when one of them is anything else", async () => {
  const handle = await openHandle(join(temporaryDirectory(), "data"));
  const putRow = functionNamed("putRow");
  const full = Array.from({ length: 64 }, (_, i) => [`k${i}`, "€".repeat(1024)]).flat();
  for (const wrong of [
    ["k"],
    ["k", "v", "x"],
    [...full, "one", "more"],
    ["k", 7],
    [new Uint8Array(1), "v"],
    ["k", "\ud800"],
    ["k", "v".repeat(1 << 20)],
    ["k".repeat(100_000), "v"],
  ]) {
    expect(() => putRow(handle, "good", "v", ...wrong)).toThrow(/./);
    expect(native.stats(handle).keys).toBe(0);
  }
  expect(() => putRow(handle)).toThrow(RangeError);
  putRow(handle, ...full);
  putRow(handle, "k0", "", "", "last", "k0", "1", "k0", "2");
  expect(native.stats(handle).keys).toBe(65);
  expect([native.getText(handle, "k0", true), native.getText(handle, "", true)]).toEqual(["2", "last"]);
  expect(native.getText(handle, "k63", true)).toBe("€".repeat(1024));
  await native.close(handle);
});

test("open refuses options that TypeScript would have refused", async () => {
  const good = resolveOpenOptions({}).native;
  const path = join(temporaryDirectory(), "data");
  const call = (native as unknown as Record<string, AnyFunction>).open!;
  const onCommit = (): void => undefined;
  const wrongOptions: object[] = Object.keys(good).flatMap((name) =>
    [undefined, null, "x", -1, 1.5, Number.NaN, 1e300, {}].map((value) => ({ ...good, [name]: value })),
  );
  wrongOptions.push(
    { ...good, slotToShard: new Uint16Array(5) },
    { ...good, slotToShard: new Uint16Array(16_384).fill(99) },
  );
  for (const options of wrongOptions) expect(() => call(path, options, onCommit)).toThrow(Error);
  for (const args of [[], [5], [path], [path, 5], [path, good], [path, good, 5]]) {
    expect(() => call(...args)).toThrow(TypeError);
  }
  await settle(() => (native as unknown as Record<string, AnyFunction>).dumpSegment!(path, {}, "x"));
});

// ASan keeps what is freed for a while, on purpose.
test.skipIf(process.env.CRABKV_SANITIZER === "address")(
  "opening and closing a thousand times leaves nothing behind",
  async () => {
    const path = join(temporaryDirectory(), "data");
    const keep = await openStore(path, { sync: "os" });
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 1000; i++) await native.close(await openHandle(path));
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    await keep.put("k", "v");
  },
);
