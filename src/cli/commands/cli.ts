// cli: a prompt on a store, or a script of its commands on standard input.
import type { Command } from "commander";
import { openForReading, openForWriting, withStore } from "../opening.js";
import { say } from "../output.js";
import { History } from "../prompt/history.js";
import { LineRunner } from "../prompt/line-runner.js";
import { hasColours, runInteractive, runScript } from "../prompt/prompt.js";
import { addSettings, settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

interface CliSettings extends GlobalSettings {
  readonly readOnly?: boolean;
}

export function addCli(program: Command): void {
  const cli = program
    .command("cli")
    .description("a prompt on the store; without a terminal, a script on standard input");
  addSettings(cli, ["sync", "compression", "shards", "cache", "defaultTtl", "writeBack"]);
  addSettings(cli, ["segmentBytes", "keyBytesMax", "valueBytesMax", "history"]);
  addSettings(cli, ["compaction", "compactionDeadRatio", "compactionMinBytes", "compactionIoShare"]);
  cli.option("--read-only", "change nothing; other readers can have the store open too");
  cli.action(() => runCli(settingsOf(cli.optsWithGlobals())));
  cli.addHelpText(
    "after",
    `
The prompt has the store open, so other processes find it locked until the prompt ends. A new store is made when there is none.
help at the prompt lists its commands. A script ends with the exit code of the last line that failed; # begins a comment.`,
  );
}

async function runCli(settings: CliSettings): Promise<void> {
  const { readOnly = false, json, history, dataDir } = settings;
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  await withStore(readOnly ? openForReading(settings) : openForWriting(settings, true), async (store) => {
    // Perhaps not the one that was meant.
    if (isTerminal && store.stats().keys === 0) say(`the store in ${dataDir} has no keys`);
    const runner = new LineRunner(store, { json, colours: isTerminal && hasColours() });
    const end = endOnSignal();
    try {
      await (isTerminal ? runInteractive(runner, openHistory(history), end.stop) : runScript(runner, end.stop));
    } finally {
      end.off();
    }
    // A person has seen what failed.
    process.exitCode = end.exitCode() ?? (isTerminal ? undefined : runner.exitCode);
  });
}

function openHistory(path: string): History {
  const onTrouble = (error: Error): void =>
    say(
      `crabkv: the history is not kept: ${error.message}\nhint: --history or CRABKV_HISTORY names another file, or "off"`,
    );
  return new History(path === "off" ? undefined : path, onTrouble);
}

const signalNumbers = { SIGHUP: 1, SIGTERM: 15 } as const;

/** Lets the line under way finish and the store close: then nothing acknowledged is lost, not even with --write-back. */
function endOnSignal(): { stop: AbortSignal; exitCode: () => number | undefined; off: () => void } {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const names = Object.keys(signalNumbers) as (keyof typeof signalNumbers)[];
  const onSignal = (name: keyof typeof signalNumbers): void => {
    exitCode = 128 + signalNumbers[name];
    controller.abort();
  };
  for (const name of names) process.on(name, onSignal);
  const off = (): void => {
    for (const name of names) process.off(name, onSignal);
  };
  return { stop: controller.signal, exitCode: () => exitCode, off };
}
