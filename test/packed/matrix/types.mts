// The declarations as a project meets them: `nodenext` from both kinds of modules, and `bundler`.
import { CrabKVError, open } from "crabkv";
import type { Store, StoreRecord } from "crabkv";
import { serve } from "crabkv/server";
import type { Server } from "crabkv/server";
import { Keyv5Storage } from "crabkv/keyv";

export async function use(): Promise<string | undefined> {
  const db: Store<string, number> = await open("data", { valueEncoding: "json" as const }).then(
    (store) => store as Store<string, number>,
  );
  await db.put("k", 1, { ttlMs: 5 });
  const records: StoreRecord<string, number>[] = [];
  for await (const record of db.records({ order: "log" })) records.push(record);
  const server: Server = await serve({ dataDir: "d" });
  await server.close();
  // @ts-expect-error: a value is a number
  await db.put("k", "text");
  return new CrabKVError("CRABKV_IO", "x").path ?? String(records.length + Keyv5Storage.length);
}
