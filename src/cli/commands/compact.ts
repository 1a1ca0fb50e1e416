// compact: gives back the space of overwritten, deleted and expired records, until it is done or a signal ends it.
import type { Command } from "commander";
import { compactAndTell } from "../compacting.js";
import type { CompactionAnswer } from "../compacting.js";
import { openForWriting } from "../opening.js";
import type { CliStore } from "../opening.js";
import { withOwnerOrStore } from "../owner.js";
import { FailureError, hasCode, messageOf } from "../outcome.js";
import { printLine } from "../output.js";
import { startProgress } from "../progress.js";
import { RemoteStore } from "../remote/remote-store.js";
import { addSettings, settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";
import { untilSignal } from "../signals.js";

export function addCompact(program: Command): void {
  const compact = program
    .command("compact")
    .description("give back the space of overwritten, deleted and expired records");
  addSettings(compact, ["compactionIoShare", "segmentBytes"]);
  compact.action(() => runCompact(settingsOf(compact.optsWithGlobals())));
  compact.addHelpText(
    "after",
    `
It looks through all of the log. Ctrl-C gives it up at once, and what it has finished until then stays. Where crabkv serve has
the store open, the server does it, and goes on with it after Ctrl-C.`,
  );
}

async function runCompact(settings: GlobalSettings): Promise<void> {
  const { text, fields } = await untilSignal((signal) =>
    withOwnerOrStore(settings, openForCompaction, (store) =>
      store instanceof RemoteStore ? compactAndTell(store, signal) : compactStore(store, signal, !settings.json),
    ),
  );
  printLine(settings.json ? JSON.stringify({ dataDir: settings.dataDir, ...fields }) : text);
}

async function openForCompaction(settings: GlobalSettings): Promise<CliStore> {
  try {
    // Nothing but what was asked for: the report is of all that is done.
    return await openForWriting({ ...settings, compaction: "manual" }, false);
  } catch (cause) {
    if (!hasCode(cause, "CRABKV_LOCKED")) throw cause;
    const advice = "end that process or close its store; a store that is written to compacts itself";
    throw new FailureError(messageOf(cause), { cause, advice });
  }
}

async function compactStore(store: CliStore, signal: AbortSignal, showsProgress: boolean): Promise<CompactionAnswer> {
  const progress = await startProgress("compacting", store.stats().logBytes, showsProgress);
  let bytesRead = 0;
  let records = 0;
  store.on("compacted", (report) => {
    bytesRead += report.bytesRead;
    records += report.recordsKept + report.recordsDropped;
    progress.update(bytesRead, records);
  });
  try {
    return await compactAndTell(store, signal);
  } finally {
    progress.stop();
  }
}
