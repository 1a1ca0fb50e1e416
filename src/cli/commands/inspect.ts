// stats and dump: what a store says of itself, and what is in its files.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { dumpSegment } from "../../dump.js";
import type { StoreStats } from "../../native.js";
import { openForReading } from "../opening.js";
import { withOwnerOrStore } from "../owner.js";
import { columns, formatBytes, formatCount, printLine, TextWriter } from "../output.js";
import { settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

export function addInspectionCommands(program: Command): void {
  const stats = program.command("stats").description("print how many keys and bytes the store has");
  stats.action(() => runStats(settingsOf(stats.optsWithGlobals())));

  const dump = program
    .command("dump")
    .description(
      "print a segment's frames and records; works beside a running owner, and on a store that does not open",
    )
    .argument("<segment>", 'a number such as 1, a name in the data directory such as "00000001.log", or a path');
  dump.action((segment: string) => runDump(segment, settingsOf(dump.optsWithGlobals())));
}

async function runStats(settings: GlobalSettings): Promise<void> {
  // A server that has the store open tells the same as the store itself.
  const found = await withOwnerOrStore(settings, openForReading, (store) => Promise.resolve(store.stats()));
  const stats = found as StoreStats;
  if (settings.json) {
    printLine(JSON.stringify({ dataDir: settings.dataDir, ...stats }));
    return;
  }
  const dead = Math.max(0, stats.logBytes - stats.liveBytes);
  printLine(
    columns([
      ["data directory", settings.dataDir],
      ["keys", formatCount(stats.keys)],
      ["keys that expire", formatCount(stats.keysWithDeadline)],
      ["segments", formatCount(stats.segments)],
      ["log", formatBytes(stats.logBytes)],
      ["live, about", formatBytes(stats.liveBytes)],
      ["dead, about", `${formatBytes(dead)}, ${formatShare(dead, stats.logBytes)} of the log`],
      ["compactions", compactionsOf(stats)],
      ["files", formatBytes(stats.diskBytes)],
      ["index in memory", formatBytes(stats.indexBytes)],
      ["last version", String(stats.lastVersion)],
      ["changes are kept", stats.feedFloor === 0 ? "all" : `behind version ${stats.feedFloor}`],
      ["opened for writing", `${formatCount(stats.epoch)} times`],
      ["closed cleanly", stats.cleanOpen ? "yes" : "no"],
      ["hints", `of ${formatCount(stats.hintedSegments)} segments, ${formatBytes(stats.hintBytes)}`],
      ["opened in", openingOf(stats)],
    ]),
  );
}

// How long opening took, and why.
function openingOf(stats: StoreStats): string {
  const parts = [];
  if (stats.openHintedSegments > 0) {
    parts.push(`${formatCount(stats.openHintedKeys)} keys from hints of ${segments(stats.openHintedSegments)}`);
  }
  const rate = stats.openReadNs === 0 ? 0 : Math.round((stats.openRecords * 1e9) / stats.openReadNs);
  // Of few records the rate says nothing.
  const paced = stats.openRecords >= 10_000 ? `, ${formatCount(rate)} a second` : "";
  parts.push(`${formatCount(stats.openRecords)} records read from ${segments(stats.openReadSegments)}${paced}`);
  // The last segment never has one.
  if (stats.openHintsMissing > 1) parts.push(`${formatCount(stats.openHintsMissing)} segments have no hint`);
  if (stats.openHintsWrong > 0) parts.push(`${formatCount(stats.openHintsWrong)} hints were wrong`);
  if (stats.openHintsUnproven > 0) {
    parts.push(`${segments(stats.openHintsUnproven)} not proven durable, so read despite a hint`);
  }
  if (stats.openRewrittenBytes > 0) parts.push(`${formatBytes(stats.openRewrittenBytes)} written again`);
  return `${formatCount(stats.openMs)} ms: ${parts.join("; ")}`;
}

function segments(count: number): string {
  return count === 1 ? "1 segment" : `${formatCount(count)} segments`;
}

function formatShare(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((100 * part) / whole)}%`;
}

function compactionsOf(stats: StoreStats): string {
  const { compacting, compactions, compactionReadBytes, compactionWrittenBytes, compactionDroppedRecords } = stats;
  const now = compacting ? "; one is under way" : "";
  if (compactions === 0) return `none since it was opened${now}`;
  const bytes = `${formatBytes(compactionReadBytes)} read, ${formatBytes(compactionWrittenBytes)} written`;
  return `${formatCount(compactions)}: ${bytes}, ${formatCount(compactionDroppedRecords)} records dropped${now}`;
}

// A line of the dump begins with its offset in the file, but for those that go on with the frame above.
const lineForm = /^ *(\d+) {2}(.*)$/;

async function runDump(segment: string, { dataDir, json }: GlobalSettings): Promise<void> {
  const path = pathOf(segment, dataDir);
  const writer = new TextWriter(process.stdout);
  try {
    for (const line of dumpSegment(path)) {
      const written = writer.write(`${json ? lineAsJson(line) : line}\n`);
      if (written !== undefined) await written;
    }
  } finally {
    await writer.flush();
  }
}

function lineAsJson(line: string): string {
  const [, offset, text] = lineForm.exec(line) ?? [];
  return JSON.stringify(offset === undefined ? { text: line.trim() } : { offset: Number(offset), text: text!.trim() });
}

function pathOf(segment: string, dataDir: string): string {
  if (/^\d{1,20}$/.test(segment)) return join(dataDir, `${segment.padStart(8, "0")}.log`);
  const inDirectory = join(dataDir, segment);
  return basename(segment) === segment && existsSync(inDirectory) ? inDirectory : segment;
}
