// Keyv's own test suite, whole, on an adapter for Keyv 5: with the keys that Keyv prefixes (its default) and without.
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv } from "keyv";
import type { KeyvOptions } from "keyv";
import * as vitest from "vitest";
import { Keyv5Storage } from "../../src/adapters/keyv.js";
import { open } from "../../src/index.js";
import type { Store } from "../../src/index.js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

class UnprefixedKeyv extends Keyv {
  constructor(options?: KeyvOptions) {
    super({ ...options, useKeyPrefix: false });
  }
}

vitest.describe.each([
  ["whose keys Keyv prefixes", Keyv],
  ["whose keys Keyv leaves alone", UnprefixedKeyv],
])("a store %s", (_, KeyvClass) => {
  const directory = mkdtempSync(join(tmpdir(), "crabkv-"));
  let db: Store<string, string>;
  vitest.beforeAll(async () => {
    db = await open(join(directory, "data"), { sync: "os" });
  });
  vitest.afterAll(async () => {
    await db.close();
    rmSync(directory, { recursive: true });
  });
  const storage = (): Keyv5Storage => new Keyv5Storage({ store: db });
  keyvTestSuite(vitest, KeyvClass, storage);
  keyvIteratorTests(vitest, KeyvClass, storage);
});
