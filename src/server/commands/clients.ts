// What CLIENT does to connections: KILL, PAUSE, REPLY.
import type { CommandContext } from "../commands.js";
import type { PubSub } from "../pubsub.js";
import { MUTE_ALL, MUTE_NEXT, MUTE_NONE, PAUSE_ALL, PAUSE_WRITES } from "../../native.js";
import { ErrorReply, OK } from "../replies.js";
import type { Reply } from "../replies.js";
import { filterOfType } from "./client-list.js";
import type { ConnectionFilter } from "./client-list.js";
import { NO_REPLY, parseInteger, parseTimeout, SYNTAX_ERROR, wrongSubcommand } from "./shared.js";

/** CLIENT KILL address | [ID id] [ADDR address] [LADDR address] [TYPE type] [USER user] [SKIPME yes|no] */
export function kill({ connection, server, arguments: words }: CommandContext): Reply {
  const rest = words.slice(2).map((word) => word.toString("latin1"));
  const old = rest.length === 1;
  let skipMe = !old;
  const filters = new Map<string, ConnectionFilter>(); // of each kind the last one counts
  if (old) filters.set("addr", (other) => other.peerAddress === rest[0]);
  for (let i = 0; !old && i < rest.length; i += 2) {
    const [name, value] = [rest[i]!.toLowerCase(), rest[i + 1]];
    if (value === undefined) return SYNTAX_ERROR;
    if (name === "skipme") {
      if (!/^(?:yes|no)$/i.test(value)) return SYNTAX_ERROR;
      skipMe = value.toLowerCase() === "yes";
      continue;
    }
    const filter = filterOf(name, value, server.pubsub);
    if (filter instanceof ErrorReply) return filter;
    filters.set(name, filter);
  }
  const all = [...filters.values()];
  const chosen = [...server.connections.values()].filter(
    (other) => all.every((filter) => filter(other)) && !(skipMe && other === connection),
  );
  for (const other of chosen) {
    if (other === connection) other.closeAfterReply();
    else other.destroy();
  }
  if (!old) return chosen.length;
  return chosen.length === 0 ? new ErrorReply("ERR No such client") : OK;
}

function filterOf(name: string, value: string, pubsub: PubSub): ConnectionFilter | ErrorReply {
  switch (name) {
    case "id": {
      const id = parseInteger(Buffer.from(value, "latin1")) ?? 0n;
      if (id <= 0n) return new ErrorReply("ERR client-id should be greater than 0");
      return (other) => BigInt(other.id) === id;
    }
    case "addr":
      return (other) => other.peerAddress === value;
    case "laddr":
      return (other) => other.localAddress === value;
    case "type":
      return filterOfType(value, pubsub);
    case "user":
      return value === "default" ? () => true : new ErrorReply(`ERR No such user '${value}'`);
    default:
      return SYNTAX_ERROR;
  }
}

/** CLIENT PAUSE milliseconds [WRITE|ALL] */
export function pause({ server, arguments: words }: CommandContext): Reply {
  if (words.length > 4) return wrongSubcommand(words);
  const mode = words[3]?.toString("latin1").toLowerCase() ?? "all";
  if (mode !== "all" && mode !== "write") return new ErrorReply("ERR CLIENT PAUSE mode must be WRITE or ALL");
  const ms = parseTimeout(words[2]!);
  if (typeof ms !== "number") return ms;
  server.pause.add(mode === "all" ? PAUSE_ALL : PAUSE_WRITES, ms);
  return OK;
}

/** CLIENT REPLY ON|OFF|SKIP */
export function reply({ connection, arguments: words }: CommandContext): Reply {
  switch (words[2]!.toString("latin1").toLowerCase()) {
    case "on":
      connection.mute(MUTE_NONE);
      return OK;
    case "off":
      connection.mute(MUTE_ALL);
      return NO_REPLY;
    case "skip":
      connection.mute(MUTE_NEXT);
      return NO_REPLY;
    default:
      return SYNTAX_ERROR;
  }
}

/** CLIENT NO-EVICT ON|OFF: others are evicted first, see ClientMemory. */
export function noEvict({ connection, arguments: words }: CommandContext): Reply {
  const mode = words[2]!.toString("latin1").toLowerCase();
  if (mode !== "on" && mode !== "off") return SYNTAX_ERROR;
  connection.isSpared = mode === "on";
  return OK;
}
