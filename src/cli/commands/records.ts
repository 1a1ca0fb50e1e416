// put, get and delete: one record from the command line.
import type { Command } from "commander";
import { openForReading, openForWriting } from "../opening.js";
import type { CliStore } from "../opening.js";
import { withOwnerOrStore } from "../owner.js";
import { NotFoundError, UsageError } from "../outcome.js";
import { printLine } from "../output.js";
import { fieldsOf } from "../records.js";
import { addSettings, addTtlFlag, settingsOf } from "../settings.js";
import type { GlobalSettings, TtlFlag } from "../settings.js";

export function addRecordCommands(program: Command): void {
  const put = program.command("put").description("store a value under a key; a new store is made when there is none");
  put.argument("<key>").argument("<value>");
  addTtlFlag(addSettings(put, ["sync", "compression", "segmentBytes", "keyBytesMax", "valueBytesMax"]));
  put.action((key: string, value: string) => runPut(key, value, settingsOf(put.optsWithGlobals())));

  const get = program.command("get").description("print the value of a key").argument("<key>");
  get
    .option("-n, --no-newline", "the value's bytes alone, without a line end")
    .action((key: string) => runGet(key, settingsOf(get.optsWithGlobals())));

  const remove = program.command("delete").description("remove a key").argument("<key>");
  addSettings(remove, ["sync"]).action((key: string) => runDelete(key, settingsOf(remove.optsWithGlobals())));
}

// Node has put U+FFFD for what was not UTF-8, so another key or value than the one given would be meant.
function checkText(name: "key" | "value", text: string): void {
  if (!text.includes("\ufffd")) return;
  const advice = 'bytes go in as "\\xNN" at crabkv cli, or as key64 and value64 of crabkv import';
  throw new UsageError(`${name} is not UTF-8, or has U+FFFD, which cannot be told apart here`, { advice });
}

async function runPut(key: string, value: string, settings: GlobalSettings & TtlFlag): Promise<void> {
  checkText("key", key);
  checkText("value", value);
  const opening = (): Promise<CliStore> => openForWriting(settings, true);
  await withOwnerOrStore(settings, opening, (store) => store.put(key, value, { ttlMs: settings.ttl }));
  if (settings.json) printLine(JSON.stringify({ key, stored: true }));
}

async function runGet(key: string, settings: GlobalSettings & { newline: boolean }): Promise<void> {
  checkText("key", key);
  const entry = await withOwnerOrStore(settings, openForReading, (store) => store.getEntry(key));
  if (settings.json) {
    const { value, version, expiresAtMs } = entry ?? {};
    const fields = value === undefined ? {} : fieldsOf("value", value);
    printLine(JSON.stringify({ key, found: entry !== undefined, ...fields, version, expiresAtMs }));
  } else if (entry !== undefined) {
    process.stdout.write(entry.value);
    if (settings.newline) process.stdout.write("\n");
  }
  if (entry === undefined) throw notFound(key);
}

async function runDelete(key: string, settings: GlobalSettings): Promise<void> {
  checkText("key", key);
  const opening = (): Promise<CliStore> => openForWriting(settings, false);
  const deleted = await withOwnerOrStore(settings, opening, (store) => store.delete(key));
  if (settings.json) printLine(JSON.stringify({ key, deleted }));
  if (!deleted) throw notFound(key);
}

function notFound(key: string): NotFoundError {
  return new NotFoundError(`not found: ${JSON.stringify(key)}`);
}
