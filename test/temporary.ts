// Directories and stores for tests, gone when the test is over.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { open } from "../src/index.js";
import type { Decoded, EncodingOption, OpenOptions, Store } from "../src/index.js";

/** An empty directory that is removed after the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "crabkv-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Opens a store that is closed after the test, whatever became of it. */
export async function openStore<KE extends EncodingOption = "utf8", VE extends EncodingOption = "utf8">(
  path: string,
  options?: OpenOptions<KE, VE>,
): Promise<Store<Decoded<KE>, Decoded<VE>>> {
  const db = await open(path, options);
  onTestFinished(() => db.close().catch(() => undefined));
  return db;
}

/** A store of its own in a new directory. The usual mode is the fastest one: most tests are not about durability. */
export function temporaryStore<KE extends EncodingOption = "utf8", VE extends EncodingOption = "utf8">(
  options?: OpenOptions<KE, VE>,
): Promise<Store<Decoded<KE>, Decoded<VE>>> {
  return openStore(join(temporaryDirectory(), "data"), { sync: "os", ...options });
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
