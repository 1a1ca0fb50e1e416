// The commands, their arguments and flags as plain data: what completion scripts and `crabkv help --json` are made of.
import type { Argument, Command, Option } from "commander";
import type { Setting, SettingValue } from "./setting-kinds.js";
import { settingTable } from "./setting-table.js";

/** What an argument can be: words to choose from, the name of a file or of a directory, or anything. */
export type Values = readonly string[] | "file" | "directory" | "any";

export interface ArgumentDescription {
  readonly name: string;
  readonly required: boolean;
  readonly values: Values;
}

export interface FlagDescription {
  /** "--sync", and "-n" where there is a short form. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined for a flag without one. */
  readonly argument: ArgumentDescription | undefined;
}

export interface CommandDescription {
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly ArgumentDescription[];
  /** Without those of every command. */
  readonly flags: readonly FlagDescription[];
}

export interface ProgramDescription {
  readonly flags: readonly FlagDescription[];
  readonly commands: readonly CommandDescription[];
}

export function describeProgram(program: Command): ProgramDescription {
  const names = program.commands.map((command) => command.name());
  return {
    flags: [
      ...program.options.map(describeFlag),
      { names: ["--help", "-h"], description: "help", argument: undefined },
    ],
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.description(),
      arguments: command.registeredArguments.map((argument) => describeArgument(argument, names)),
      flags: command.options.map(describeFlag),
    })),
  };
}

function describeFlag(option: Option): FlagDescription {
  const names = [option.long, option.short].filter((name) => name !== undefined);
  if (!option.required && !option.optional) return { names, description: option.description, argument: undefined };
  const name = /[<[](.+)[>\]]/.exec(option.flags)?.[1] ?? "value";
  const attribute = option.attributeName();
  const settings: Readonly<Partial<Record<string, Setting<SettingValue>>>> = settingTable;
  const values =
    option.argChoices ?? settings[attribute]?.choices ?? valuesOfName(attribute === "dataDir" ? "directory" : name);
  return { names, description: option.description, argument: { name, required: option.required, values } };
}

function describeArgument(argument: Argument, commands: readonly string[]): ArgumentDescription {
  const name = argument.name();
  const values = name === "command" ? commands : (argument.argChoices ?? valuesOfName(name));
  return { name, required: argument.required, values };
}

function valuesOfName(name: string): Values {
  if (name.endsWith("directory")) return "directory";
  return name === "file" || name === "path" || name === "segment" ? "file" : "any";
}
