// SAVE, BGSAVE and LASTSAVE over TCP: backups into the directory that the server was given, and what INFO tells of them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { restore } from "../../src/index.js";
import type { Server } from "../../src/server/index.js";
import { openStore, temporaryDirectory } from "../temporary.js";
import { Client, request, temporaryServer } from "./serving.js";

async function answer(client: Client, said: string | Buffer, expected: string): Promise<void> {
  client.say(said);
  expect(await client.expectReply(expected)).toBe(expected);
}

async function persistenceOf(server: Server): Promise<string> {
  const client = new Client(server.address.port);
  client.say(Buffer.concat([request("INFO", "persistence"), request("QUIT")]));
  return client.untilEnded();
}

async function restored(backup: string): Promise<(key: string) => Promise<string | undefined>> {
  const path = join(temporaryDirectory(), "restored");
  await restore(backup, path);
  const db = await openStore(path);
  return (key) => db.get(key);
}

test("SAVE answers when the backup can be restored, and again when it has what is new", async () => {
  const backupDir = join(temporaryDirectory(), "backup");
  const server = await temporaryServer({ backupDir });
  const client = new Client(server.address.port);
  await answer(client, request("SET", "a", "1"), "+OK\r\n");
  await answer(client, request("SAVE"), "+OK\r\n");
  expect(await (await restored(backupDir))("a")).toBe("1");
  await answer(client, request("SET", "a", "2"), "+OK\r\n");
  await answer(client, request("SAVE"), "+OK\r\n");
  expect(await (await restored(backupDir))("a")).toBe("2");
  const seconds = Math.floor(server.backups.lastSavedAtMs! / 1000);
  await answer(client, request("LASTSAVE"), `:${seconds}\r\n`);
  expect(await persistenceOf(server)).toContain(`rdb_last_save_time:${seconds}\r\n`);
});

test("BGSAVE answers at once, and INFO tells how it ended", async () => {
  const backupDir = join(temporaryDirectory(), "backup");
  const server = await temporaryServer({ backupDir });
  const client = new Client(server.address.port);
  await answer(client, request("SET", "a", "1"), "+OK\r\n");
  await answer(client, request("BGSAVE", "schedule"), "+Background saving started\r\n");
  while ((await persistenceOf(server)).includes("rdb_bgsave_in_progress:1")) continue;
  expect(await persistenceOf(server)).toContain("rdb_last_bgsave_status:ok");
  expect(await (await restored(backupDir))("a")).toBe("1");
  await answer(client, request("BGSAVE", "now"), "-ERR syntax error\r\n");
});

test("one backup at a time, and none inside of a transaction", async () => {
  const server = await temporaryServer({ backupDir: join(temporaryDirectory(), "backup") });
  const client = new Client(server.address.port);
  const both = Buffer.concat([request("BGSAVE"), request("BGSAVE")]);
  await answer(client, both, "+Background saving started\r\n-ERR Background save already in progress\r\n");
  await answer(client, request("MULTI"), "+OK\r\n");
  await answer(client, request("SAVE"), "-ERR Command not allowed inside a transaction\r\n");
  await answer(client, request("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
});

test("a server without a directory refuses, and one whose directory is no good says why", async () => {
  const client = new Client((await temporaryServer()).address.port);
  const refused = "-ERR this server was not told where to save: --backup-dir\r\n";
  await answer(client, Buffer.concat([request("SAVE"), request("BGSAVE")]), refused + refused);
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "precious");
  const server = await temporaryServer({ backupDir: file });
  const other = new Client(server.address.port);
  other.say(Buffer.concat([request("SAVE"), request("QUIT")]));
  expect(await other.untilEnded()).toMatch(/^-ERR .*file/);
  expect(await persistenceOf(server)).toContain("rdb_last_bgsave_status:err");
});
