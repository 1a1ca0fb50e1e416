// The tables of commands and subcommands (native/protocol/command_table.cc, subcommand_table.cc) as TypeScript sees them.
import { native } from "../native.js";

export interface CommandDescription {
  /** In lower case; `client|list` of a subcommand. */
  readonly name: string;
  /** With the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly string[];
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
  readonly group: string;
  readonly syntax: string;
  readonly summary: string;
  /** A verb of the text protocol. */
  readonly textOnly: boolean;
  /** It runs in TypeScript. */
  readonly up: boolean;
  /** Its second word, if any, is one of its subcommands. */
  readonly container: boolean;
  readonly subcommands: readonly CommandDescription[];
}

/** What the addon says of a subcommand. */
interface SubcommandDescription {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  readonly firstKey: number;
  readonly syntax: string;
  /** Lines. */
  readonly about: string;
}

type DescribedCommand = Omit<CommandDescription, "subcommands"> & {
  readonly subcommands: readonly SubcommandDescription[];
};

const described = JSON.parse(native.describeCommands()) as readonly DescribedCommand[];

export const commandTable: readonly CommandDescription[] = described.map((command) => ({
  ...command,
  subcommands: command.subcommands.map(({ about, ...subcommand }) => ({
    ...command,
    ...subcommand,
    lastKey: subcommand.firstKey,
    keyStep: subcommand.firstKey === 0 ? 0 : 1,
    summary: about.split("\n")[0]!,
    container: false,
    subcommands: [],
  })),
}));

const byName = (commands: readonly CommandDescription[]): ReadonlyMap<string, CommandDescription> =>
  new Map(commands.map((command) => [command.name, command]));

/** The commands of RESP, by name. */
export const respCommands = byName(commandTable.filter(({ textOnly }) => !textOnly));

/** Those of commands that have them, by full name. */
export const subcommands = byName(
  commandTable.filter(({ container }) => container).flatMap((command) => command.subcommands),
);

/** What these words are a request of: a command of RESP, or a subcommand; undefined when there is none. */
export function describedBy(words: readonly Buffer[]): CommandDescription | undefined {
  const [name, second] = words.slice(0, 2).map((word) => word.toString("latin1").toLowerCase());
  const command = respCommands.get(name!);
  const isWhole = command?.container !== true || second === undefined;
  return isWhole ? command : subcommands.get(`${command.name}|${second}`);
}
