// cli: a prompt on a store, or a script of its commands on standard input.
import type { Command } from "commander";
import { openForReading, openForWriting, withStore } from "../opening.js";
import { EXIT_FAILURE, FailureError, hasCode, jsonOfError, textOfError } from "../outcome.js";
import { ownerOf } from "../owner.js";
import { onUnwritable, say } from "../output.js";
import { askPassword, passwordIn, PASSWORD_VARIABLE } from "../password.js";
import type { PromptTarget } from "../prompt/commands.js";
import { History } from "../prompt/history.js";
import { LineRunner } from "../prompt/line-runner.js";
import { hasColours, runInteractive, runScript } from "../prompt/prompt.js";
import { addPlaceFlags, placeFrom } from "../remote/place.js";
import type { PlaceFlags } from "../remote/place.js";
import { RemoteStore } from "../remote/remote-store.js";
import type { RespClient } from "../remote/resp-client.js";
import { ttlMsOf } from "../setting-table.js";
import { addSettings, settingsOf } from "../settings.js";
import type { GlobalSettings } from "../settings.js";

interface CliSettings extends GlobalSettings {
  readonly readOnly?: boolean;
}

export function addCli(program: Command): void {
  const cli = program
    .command("cli")
    .description("a prompt on the store or on a server; without a terminal, a script on standard input");
  addPlaceFlags(cli);
  addSettings(cli, ["sync", "compression", "shards", "cache", "defaultTtl", "writeBack"]);
  addSettings(cli, ["segmentBytes", "keyBytesMax", "valueBytesMax", "history", "passwordFile"]);
  addSettings(cli, ["compaction", "compactionDeadRatio", "compactionMinBytes", "compactionIoShare"]);
  cli.option("--read-only", "change nothing; other readers can have the store open too");
  cli.action(() => runCli(settingsOf(cli.optsWithGlobals()), cli.opts<PlaceFlags>()));
  cli.addHelpText(
    "after",
    `
The prompt has the store open, so other processes find it locked until the prompt ends. A new store is made when there is none.
Where crabkv serve has the store open, and with --addr, the prompt is a client of that server. Its password comes from
--password-file, from CRABKV_PASSWORD, or is asked for at a terminal.
help at the prompt lists its commands. A script ends with the exit code of the last line that failed, and with 4 where
its answers cannot be written any more; # begins a comment.`,
  );
}

async function runCli(settings: CliSettings, flags: PlaceFlags): Promise<void> {
  const { readOnly = false, dataDir } = settings;
  const server = serverOf(settings, flags) ?? (await ownerOf(settings, readOnly));
  if (server !== undefined) {
    try {
      await server.open();
      await runPrompt(server, settings);
    } finally {
      server.close();
    }
    return;
  }
  await withStore(readOnly ? openForReading(settings) : openForWriting(settings, true), async (store) => {
    // Perhaps not the one that was meant.
    if (isTerminal() && store.stats().keys === 0) say(`the store in ${dataDir} has no keys`);
    await runPrompt(store, settings);
  });
}

const isTerminal = (): boolean => process.stdin.isTTY && process.stdout.isTTY;

/** Of --addr. */
function serverOf(settings: CliSettings, flags: PlaceFlags): RemoteStore | undefined {
  const place = placeFrom(flags);
  if (place === undefined) return undefined;
  let password = passwordIn(settings.passwordFile) ?? process.env[PASSWORD_VARIABLE];
  const ask = isTerminal() ? async (): Promise<string | undefined> => (password = await askPassword()) : undefined;
  const options = { defaultTtlMs: ttlMsOf(settings.defaultTtl), readOnly: settings.readOnly ?? false };
  const connect = async (): Promise<RespClient> =>
    (await import("../remote/connect.js")).connectTo(place, password, ask);
  return new RemoteStore(connect, options);
}

async function runPrompt(target: PromptTarget, { json, history }: CliSettings): Promise<void> {
  const atTerminal = isTerminal();
  const runner = new LineRunner(target, { json, colours: atTerminal && hasColours() });
  const end = endInOrder(json);
  try {
    await (atTerminal ? runInteractive(runner, openHistory(history), end.stop) : runScript(runner, end.stop));
  } finally {
    end.off();
  }
  // A person has seen what failed.
  process.exitCode = end.exitCode() ?? (atTerminal ? undefined : runner.exitCode);
}

function openHistory(path: string): History {
  const onTrouble = (error: Error): void =>
    say(
      `crabkv: the history is not kept: ${error.message}\nhint: --history or CRABKV_HISTORY names another file, or "off"`,
    );
  return new History(path === "off" ? undefined : path, onTrouble);
}

const signalNumbers = { SIGHUP: 1, SIGTERM: 15 } as const;

/**
 * At a signal, and when the answers cannot be written, lets the line under way finish and the store close: then nothing acknowledged is
 * lost, not even with --write-back.
 */
function endInOrder(json: boolean): { stop: AbortSignal; exitCode: () => number | undefined; off: () => void } {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const names = Object.keys(signalNumbers) as (keyof typeof signalNumbers)[];
  const onSignal = (name: keyof typeof signalNumbers): void => {
    exitCode = 128 + signalNumbers[name];
    controller.abort();
  };
  for (const name of names) process.on(name, onSignal);
  // For good: the last answers may still be on their way while the store closes.
  onUnwritable((error) => {
    if (exitCode !== undefined) return;
    process.exitCode = exitCode = EXIT_FAILURE;
    controller.abort();
    const failure = hasCode(error, "EPIPE") ? new FailureError("nobody reads the answers any more") : error;
    say(json ? jsonOfError(failure) : textOfError(failure));
  });
  const off = (): void => {
    for (const name of names) process.off(name, onSignal);
  };
  return { stop: controller.signal, exitCode: () => exitCode, off };
}
