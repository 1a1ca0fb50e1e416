// COMMAND: the table of commands, as clients and redis-cli ask for it.
import { respCommands, subcommands } from "../command-table.js";
import type { CommandDescription } from "../command-table.js";
import type { CommandContext, CommandResult } from "../commands.js";
import { keysAndFlagsOf, keysOf } from "./key-arguments.js";
import { ErrorReply, SetReply, Status } from "../replies.js";
import type { Reply } from "../replies.js";
import { matching, REDIS_VERSION } from "./shared.js";

/** COMMAND [COUNT | LIST [FILTERBY PATTERN p] | INFO [name ...] | DOCS [name ...] | GETKEYS[ANDFLAGS] command ...] */
export function command({ arguments: words }: CommandContext): CommandResult {
  if (words.length === 1) return infosOf([...respCommands.keys()]);
  const names = words.slice(2).map((word) => word.toString("latin1").toLowerCase());
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "count":
      return respCommands.size;
    case "list":
      return listOf(names);
    case "info":
      return infosOf(names.length === 0 ? [...respCommands.keys()] : names);
    case "docs":
      return docsOf(names);
    case "getkeys":
      return keysOf(words.slice(2));
    case "getkeysandflags":
      return keysAndFlagsOf(words.slice(2));
    default:
      return undefined; // HELP, and what there is not: the table's
  }
}

function infoOf(described: CommandDescription): Reply {
  const { name, arity, flags, firstKey, lastKey, keyStep, group } = described;
  const categories = [
    `@${group}`,
    flags.includes("write") ? "@write" : "@read",
    flags.includes("fast") ? "@fast" : "@slow",
  ];
  const status = (text: string): Status => new Status(text);
  return [
    name,
    arity,
    new SetReply(flags.map(status)),
    firstKey,
    lastKey,
    keyStep,
    new SetReply(categories.map(status)),
    [],
    [],
    described.subcommands.map(infoOf),
  ];
}

/** By name. Made once: a request may ask for the same one a million times. */
const infos = new Map<string, Reply>(
  [...subcommands, ...respCommands].map(([name, described]) => [name, infoOf(described)]),
);

const infosOf = (names: readonly string[]): Reply => names.map((name) => infos.get(name) ?? null);

function listOf(filter: readonly string[]): Reply {
  const names = [...respCommands.keys()];
  if (filter.length === 0) return names;
  if (filter.length !== 3 || filter[0] !== "filterby") return new ErrorReply("ERR syntax error");
  switch (filter[1]) {
    case "pattern":
      return matching(names, [filter[2]!]);
    case "aclcat":
      return [...respCommands.values()].filter(({ group }) => group === filter[2]).map(({ name }) => name);
    case "module":
      return [];
    default:
      return new ErrorReply("ERR syntax error");
  }
}

function docsOf(names: readonly string[]): Reply {
  const wanted = new Set(names.length === 0 ? respCommands.keys() : names);
  const docs = new Map<string, Reply>();
  for (const name of wanted) {
    const described = respCommands.get(name) ?? subcommands.get(name);
    if (described !== undefined) docs.set(name, docOf(described));
  }
  return docs;
}

function docOf({ summary, group, subcommands: inner }: CommandDescription): Reply {
  const doc = new Map<string, Reply>([
    ["summary", summary],
    ["since", REDIS_VERSION],
    ["group", group],
    ["complexity", ""],
  ]);
  if (inner.length > 0) doc.set("subcommands", new Map(inner.map((each) => [each.name, docOf(each)])));
  return doc;
}
