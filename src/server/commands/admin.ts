// CONFIG and INFO: the server as a whole.
import { arch, platform } from "node:os";
import type { CommandContext } from "../commands.js";
import { areKeyspaceEventFlags } from "../keyspace-events.js";
import type { ConnectionHost } from "../server.js";
import { version } from "../../version.js";
import { ErrorReply, OK, TextReply } from "../replies.js";
import type { Reply } from "../replies.js";
import { SLOW_COMMANDS_MAX, SLOW_MS } from "../slow-commands.js";
import { answerHelp, CONFIG_HELP } from "./help.js";
import { matches, REDIS_VERSION, unknownSubcommand, wrongArity } from "./shared.js";

/** Settings by Redis' names, as far as clients ask for them. They are chosen at the start and do not change. */
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
    ["maxclients", String(options.clientsMax)],
    ["maxmemory", "0"],
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
function portOf({ addresses }: ConnectionHost, transport: "tcp" | "tls"): number {
  for (const address of addresses) if (address.transport === transport) return address.port;
  return 0;
}

function pathOf({ addresses }: ConnectionHost): string {
  for (const address of addresses) if (address.transport === "unix") return address.path;
  return "";
}

/** CONFIG GET pattern ... | SET name value ... | RESETSTAT */
export function config({ server, arguments: words }: CommandContext): Reply {
  const names = words.slice(2).map((word) => word.toString("latin1").toLowerCase());
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "get": {
      if (names.length === 0) return wrongArity("config|get");
      const settings = [...settingsOf(server)].filter(([name]) => names.some((pattern) => matches(name, pattern)));
      return new Map<string, Reply>(settings);
    }
    case "set":
      if (names.length < 2 || names.length % 2 !== 0) return wrongArity("config|set");
      return setAll(server, words.slice(2));
    case "help":
      return answerHelp(words, CONFIG_HELP);
    case "resetstat":
      if (words.length !== 2) return wrongArity("config|resetstat");
      Object.assign(server.counters, { connectionsReceived: 0, connectionsRejected: 0, commandsUp: 0 });
      return OK;
    default:
      return unknownSubcommand(words);
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

/** INFO [section ...] */
export function info({ server, arguments: words }: CommandContext): Reply {
  const wanted = new Set(words.slice(1).map((word) => word.toString("latin1").toLowerCase()));
  const all = wanted.size === 0 || ["all", "default", "everything"].some((word) => wanted.has(word));
  let text = "";
  for (const [section, fields] of sectionsOf(server)) {
    if (!all && !wanted.has(section.toLowerCase())) continue;
    text += `${text === "" ? "" : "\r\n"}# ${section}\r\n`;
    for (const [field, value] of Object.entries(fields)) text += `${field}:${value}\r\n`;
  }
  return new TextReply(text);
}

function sectionsOf(server: ConnectionHost): [string, Record<string, string | number>][] {
  const { connections, counters, options, startedAtMs } = server;
  const stats = server.store.stats();
  const uptime = Math.floor((Date.now() - startedAtMs) / 1000);
  const memory = process.memoryUsage();
  return [
    [
      "Server",
      {
        redis_version: REDIS_VERSION,
        crabkv_version: version,
        redis_mode: "standalone",
        os: platform(),
        arch_bits: 64,
        arch: arch(),
        process_id: process.pid,
        tcp_port: portOf(server, "tcp") || portOf(server, "tls"),
        uptime_in_seconds: uptime,
        uptime_in_days: Math.floor(uptime / 86_400),
      },
    ],
    ["Clients", { connected_clients: connections.size, maxclients: options.clientsMax }],
    [
      "Memory",
      { used_memory: memory.rss, used_memory_rss: memory.rss, used_memory_index: stats.indexBytes, maxmemory: 0 },
    ],
    [
      "Persistence",
      {
        loading: 0,
        aof_enabled: 1,
        aof_rewrite_in_progress: server.compactions.inProgress ? 1 : 0,
        aof_rewrite_scheduled: 0,
        aof_last_bgrewrite_status: server.compactions.lastFailed ? "err" : "ok",
        aof_rewrites: stats.compactions,
        aof_last_write_status: server.store.failure === undefined ? "ok" : "err",
        aof_current_size: stats.logBytes,
        live_bytes: stats.liveBytes,
        segments: stats.segments,
        compaction_read_bytes: stats.compactionReadBytes,
        compaction_written_bytes: stats.compactionWrittenBytes,
        compaction_dropped_records: stats.compactionDroppedRecords,
        commit_groups: stats.commitGroups,
        syncs: stats.syncs,
      },
    ],
    [
      "Stats",
      {
        total_connections_received: counters.connectionsReceived,
        rejected_connections: counters.connectionsRejected,
        commands_in_typescript: counters.commandsUp,
        pubsub_channels: server.pubsub.channels.length,
        pubsub_patterns: server.pubsub.patternCount,
        inline_reads: stats.inlineReads,
        cold_reads: stats.coldReads,
      },
    ],
    ["Replication", { role: "master", connected_slaves: 0 }],
    ["Cluster", { cluster_enabled: 0 }],
    ["Keyspace", stats.keys === 0 ? {} : { db0: `keys=${stats.keys},expires=${stats.keysWithDeadline},avg_ttl=0` }],
  ];
}
