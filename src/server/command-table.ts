// The table of commands (native/protocol/command_table.cc) as TypeScript sees it.
import { native } from "../native.js";

export interface CommandDescription {
  /** In lower case. */
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
}

export const commandTable = JSON.parse(native.describeCommands()) as readonly CommandDescription[];

/** The commands of RESP, by name. */
export const respCommands: ReadonlyMap<string, CommandDescription> = new Map(
  commandTable.filter(({ textOnly }) => !textOnly).map((command) => [command.name, command]),
);
