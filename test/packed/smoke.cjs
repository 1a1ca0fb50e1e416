// The same from CommonJS: `require` gives what `import` gives, so classes, stores and threads are there once. Ends with a line of JSON.
"use strict";
const assert = require("node:assert/strict");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const required = require("crabkv");

async function main(folder) {
  const imported = await import("crabkv");
  assert.equal(required, imported);
  assert.equal(require("crabkv/server"), await import("crabkv/server"));
  assert.equal(require("crabkv/keyv").Keyv5Storage, (await import("crabkv/keyv")).Keyv5Storage);
  assert.equal(require("crabkv/unstorage").default, (await import("crabkv/unstorage")).default);

  const mine = await required.open(folder);
  const yours = await imported.open(folder);
  await mine.put("k", "v");
  assert.equal(yours.getSync("k"), "v");
  assert.ok(yours instanceof required.Store);
  await Promise.all([mine.close(), yours.close()]);
  const closed = await mine.put("k", "v").catch((error) => error);
  assert.ok(closed instanceof imported.CrabKVError && closed.code === "CRABKV_CLOSED");
  const addons = Object.keys(require.cache).filter((path) => path.endsWith(".node"));
  assert.equal(addons.length, 1);
  console.log(JSON.stringify({ node: process.version, passed: true, addon: addons[0] }));
}

const folder = mkdtempSync(join(tmpdir(), "crabkv-smoke-"));
main(folder)
  .finally(() => rmSync(folder, { recursive: true, force: true }))
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
