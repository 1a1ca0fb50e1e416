// COMMAND GETKEYS and GETKEYSANDFLAGS: which arguments of a command are keys, and what it does to them, in Redis' words. Where the
// keys stand is in the table of commands; only COMMAND asks for what is done to them, so that is here.
import { describedBy } from "../command-table.js";
import { ErrorReply, SetReply, Status } from "../replies.js";
import type { Reply } from "../replies.js";

/** RO, RW, OW (overwrites), RM (removes), and what happens to the value. */
type Access = string;

const accesses: Readonly<Record<Access, string>> = {
  RO: "strlen exists touch type watch object|encoding object|refcount object|freq object|idletime memory|usage",
  "RO access": "get mget getrange substr getbit bitcount bitpos bitfield_ro ttl pttl expiretime pexpiretime",
  "RW access update": "getset getex incr incrby decr decrby incrbyfloat setbit",
  "RW access delete": "getdel",
  "RW insert": "append",
  "RW update": "setrange expire pexpire expireat pexpireat persist",
  "OW update": "setex psetex mset",
  "OW insert": "setnx msetnx",
  "RM delete": "del unlink",
};

const accessByName: ReadonlyMap<string, Access> = new Map(
  Object.entries(accesses).flatMap(([access, names]) => names.split(" ").map((name) => [name, access] as const)),
);

const lower = (word: Buffer | undefined): string | undefined => word?.toString("latin1").toLowerCase();

/** Whether all of its operations, as far as they can be told apart, are GET. */
function onlyGets(words: readonly Buffer[]): boolean {
  const argumentsOf: Readonly<Record<string, number>> = { get: 2, overflow: 1 };
  for (let i = 2; i < words.length; i++) {
    const taken = argumentsOf[lower(words[i])!];
    if (taken === undefined || i + taken >= words.length) return false;
    i += taken;
  }
  return true;
}

/** What a command does to its key number `at`, counted from 0. */
function accessOf(name: string, words: readonly Buffer[], at: number): Access {
  switch (name) {
    case "set":
      return words.slice(3).some((word) => lower(word) === "get") ? "RW access update" : "OW update";
    case "bitfield":
      return onlyGets(words) ? "RO access" : "RW access update";
    case "bitop":
      return at === 0 ? "OW update" : "RO access";
    case "copy":
      return at === 0 ? "RO access" : "OW update";
    case "rename":
      return at === 0 ? "RW access delete" : "OW update";
    case "renamenx":
      return at === 0 ? "RW access delete" : "OW insert";
    default:
      return accessByName.get(name) ?? "RO access";
  }
}

/** The keys among a command's words, each with what is done to it; or what is wrong with the words. */
function keysAndAccesses(words: readonly Buffer[]): ErrorReply | [key: Buffer, access: Access][] {
  const described = describedBy(words);
  if (described === undefined) return new ErrorReply("ERR Invalid command specified");
  const { name, arity, firstKey, lastKey, keyStep } = described;
  if (firstKey === 0) return new ErrorReply("ERR The command has no key arguments");
  if (arity >= 0 ? words.length !== arity : words.length < -arity) {
    return new ErrorReply("ERR Invalid number of arguments specified for command");
  }
  const last = lastKey < 0 ? words.length + lastKey : Math.min(lastKey, words.length - 1);
  const keys: [Buffer, Access][] = [];
  for (let i = firstKey; i <= last; i += keyStep) keys.push([words[i]!, accessOf(name, words, keys.length)]);
  return keys;
}

/** COMMAND GETKEYS command ... */
export function keysOf(words: readonly Buffer[]): Reply {
  const keys = keysAndAccesses(words);
  return keys instanceof ErrorReply ? keys : keys.map(([key]) => key);
}

/** Made once: a command may have a million keys. */
const flagsByAccess = new Map<Access, SetReply>();

function flagsOf(access: Access): SetReply {
  let flags = flagsByAccess.get(access);
  if (flags === undefined) {
    flags = new SetReply(access.split(" ").map((flag) => new Status(flag)));
    flagsByAccess.set(access, flags);
  }
  return flags;
}

/** COMMAND GETKEYSANDFLAGS command ... */
export function keysAndFlagsOf(words: readonly Buffer[]): Reply {
  const keys = keysAndAccesses(words);
  if (keys instanceof ErrorReply) return keys;
  return keys.map(([key, access]) => [key, flagsOf(access)]);
}
