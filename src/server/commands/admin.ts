// CONFIG and STATS: the server as a whole.
import { native } from "../../native.js";
import type { CommandContext, CommandResult } from "../commands.js";
import { areKeyspaceEventFlags } from "../keyspace-events.js";
import type { ConnectionHost } from "../server.js";
import { ErrorReply, OK, TextReply } from "../replies.js";
import type { Reply } from "../replies.js";
import { SLOW_COMMANDS_MAX, SLOW_MS } from "../slow-commands.js";
import { matching, SYNTAX_ERROR } from "./shared.js";

/** Settings by Redis' names, as far as clients ask for them. All but EVENTS are chosen at the start and do not change. */
function settingsOf(server: ConnectionHost): ReadonlyMap<string, string> {
  const { options, session } = server;
  const { sync } = options.open;
  const appendfsync = sync === undefined || sync === "always" ? "always" : sync === "os" ? "no" : "everysec";
  return new Map([
    ["appendfsync", appendfsync],
    ["appendonly", "yes"],
    ["bind", server.addresses.map((address) => (address.transport === "unix" ? "" : address.host)).find(Boolean) ?? ""],
    ["databases", "1"],
    ["dir", options.dataDir],
    ["enable-debug-command", options.enableDebug ? "yes" : "no"],
    ["maxclients", String(server.clientsMax)],
    ["maxmemory", "0"],
    ["maxmemory-clients", String(options.clientsBytesMax)],
    ["maxmemory-policy", "noeviction"],
    ["notify-keyspace-events", server.keyspaceEvents.flags],
    ["port", String(portOf(server, "tcp"))],
    ["proto-max-bulk-len", String(session.valueBytesMax)],
    ["save", ""],
    ["slowlog-log-slower-than", String(SLOW_MS * 1000)],
    ["slowlog-max-len", String(SLOW_COMMANDS_MAX)],
    ["timeout", "0"],
    ["tls-port", String(portOf(server, "tls"))],
    ["unixsocket", pathOf(server)],
  ]);
}

/** 0: it does not listen so. */
export function portOf({ addresses }: ConnectionHost, transport: "tcp" | "tls"): number {
  for (const address of addresses) if (address.transport === transport) return address.port;
  return 0;
}

function pathOf({ addresses }: ConnectionHost): string {
  for (const address of addresses) if (address.transport === "unix") return address.path;
  return "";
}

/** CONFIG GET pattern ... | SET name value ... | RESETSTAT */
export function config({ server, arguments: words }: CommandContext): CommandResult {
  const names = words.slice(2).map((word) => word.toString("latin1").toLowerCase());
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "get": {
      const settings = settingsOf(server);
      return new Map<string, Reply>(matching([...settings.keys()], names).map((name) => [name, settings.get(name)!]));
    }
    case "set":
      if (names.length % 2 !== 0) return SYNTAX_ERROR;
      return setAll(server, words.slice(2));
    case "resetstat":
      server.counters.reset(server.store.stats());
      native.serverResetCounts(server.session.handle, server.nativeServer);
      return OK;
    default:
      return undefined; // HELP, and what there is not: the table's
  }
}

/** The one setting that changes while the server runs. */
const EVENTS = "notify-keyspace-events";

// Clients set what they rely on; what is so already is fine.
function setAll(server: ConnectionHost, words: readonly Buffer[]): Reply {
  const settings = settingsOf(server);
  let events: string | undefined;
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i]!.toString("latin1").toLowerCase();
    const value = words[i + 1]!.toString("latin1");
    const current = settings.get(name);
    if (current === undefined) {
      return new ErrorReply(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`);
    }
    if (name === EVENTS) {
      if (!areKeyspaceEventFlags(value))
        return cannotSet(name, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
      events = value;
    } else if (current.toLowerCase() !== value.toLowerCase()) {
      return cannotSet(name, "can't set immutable config");
    }
  }
  if (events !== undefined) server.keyspaceEvents.set(events);
  return OK;
}

const cannotSet = (name: string, why: string): ErrorReply =>
  new ErrorReply(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);

/** STATS: the store's own figures, by the names of `db.stats()`. */
export function stats({ server }: CommandContext): Reply {
  return new TextReply(JSON.stringify(server.store.stats()));
}
