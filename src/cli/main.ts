#!/usr/bin/env node
// The `crabkv` command: runs what the arguments say, and turns how it ended into an exit code and a message.
import { CommanderError } from "commander";
import type { Command } from "commander";
import { EXIT_DONE, EXIT_USAGE, exitCodeOf, hasCode, jsonOfError, NotFoundError, textOfError } from "./outcome.js";
import { endQuietlyWithoutReader, say } from "./output.js";

// Set but empty means not set, as everywhere.
function dropEmptySettings(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("CRABKV_") && process.env[name] === "") Reflect.deleteProperty(process.env, name);
  }
}

async function loadProgram(): Promise<Command> {
  try {
    return (await import("./program.js")).buildProgram();
  } catch (error) {
    if (!hasCode(error, "CRABKV_NO_BINARY")) throw error;
    return (await import("./without-addon.js")).buildProgramWithoutAddon(error);
  }
}

async function main(): Promise<number> {
  endQuietlyWithoutReader();
  dropEmptySettings();
  const program = await loadProgram();
  try {
    await program.parseAsync();
    // A script at the prompt ends as its lines did.
    return Number(process.exitCode ?? EXIT_DONE);
  } catch (error) {
    // Help and version end this way too; everything else that the parser throws is how the command was written. It has
    // said so already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
    const { json } = program.opts<{ json: boolean }>();
    // A program has been told on stdout already.
    if (!(json && error instanceof NotFoundError)) say(json ? jsonOfError(error) : textOfError(error));
    return exitCodeOf(error);
  }
}

// Not process.exit(): what was written to a pipe is still on its way.
process.exitCode = await main();
