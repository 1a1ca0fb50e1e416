// INFO: what the server counts, by Redis' names as far as there is such a thing.
import { arch, platform } from "node:os";
import manifest from "../../version.cjs";
import type { StoreStats } from "../../native.js";
import { commandFigures, lookupFigures } from "../command-figures.js";
import type { CommandFigures } from "../command-figures.js";
import type { CommandContext } from "../commands.js";
import { TextReply } from "../replies.js";
import type { Reply } from "../replies.js";
import type { ConnectionHost } from "../server.js";
import { portOf } from "./admin.js";
import { REDIS_VERSION } from "./shared.js";

/** INFO [section ...] */
export function info({ server, arguments: words }: CommandContext): Reply {
  const wanted = new Set(words.slice(1).map((word) => word.toString("latin1").toLowerCase()));
  const everything = wanted.has("all") || wanted.has("everything");
  const usual = wanted.size === 0 || wanted.has("default");
  let text = "";
  for (const [section, fields] of sectionsOf(server)) {
    const name = section.toLowerCase();
    if (!everything && !wanted.has(name) && !(usual && name !== "commandstats")) continue;
    text += `${text === "" ? "" : "\r\n"}# ${section}\r\n`;
    for (const [field, value] of Object.entries(fields)) text += `${field}:${value}\r\n`;
  }
  return new TextReply(text);
}

type Fields = Record<string, string | number>;
type Section = [name: string, fields: Fields];

function sectionsOf(server: ConnectionHost): Section[] {
  const stats = server.store.stats();
  const commands = commandFigures(server.session, server.nativeServer);
  return [
    ["Server", serverFields(server)],
    ["Clients", clientFields(server)],
    ["Memory", memoryFields(server, stats)],
    ["Persistence", persistenceFields(server, stats)],
    ["Stats", statsFields(server, stats, commands)],
    ["Replication", { role: "master", connected_slaves: 0, master_repl_offset: stats.lastVersion }],
    ["CPU", cpuFields()],
    ["Commandstats", Object.fromEntries(commands.map(fieldOfCommand))],
    ["Cluster", { cluster_enabled: 0 }],
    ["Keyspace", stats.keys === 0 ? {} : { db0: `keys=${stats.keys},expires=${stats.keysWithDeadline},avg_ttl=0` }],
  ];
}

function serverFields(server: ConnectionHost): Fields {
  const uptime = Math.floor((Date.now() - server.startedAtMs) / 1000);
  return {
    redis_version: REDIS_VERSION,
    crabkv_version: manifest.version,
    redis_mode: "standalone",
    os: platform(),
    arch_bits: 64,
    arch: arch(),
    process_id: process.pid,
    tcp_port: portOf(server, "tcp") || portOf(server, "tls"),
    uptime_in_seconds: uptime,
    uptime_in_days: Math.floor(uptime / 86_400),
  };
}

function clientFields({ connections, clientsMax }: ConnectionHost): Fields {
  const all = [...connections.values()];
  return {
    connected_clients: connections.size,
    maxclients: clientsMax,
    client_recent_max_output_buffer: all.reduce((most, { waitingBytes }) => Math.max(most, waitingBytes), 0),
  };
}

function memoryFields({ clientMemory }: ConnectionHost, { indexBytes }: StoreStats): Fields {
  const { rss } = process.memoryUsage();
  // In KiB on every system.
  const peak = process.resourceUsage().maxRSS * 1024;
  return {
    used_memory: rss,
    used_memory_rss: rss,
    used_memory_peak: Math.max(peak, rss),
    used_memory_index: indexBytes,
    mem_clients_normal: clientMemory.bytes,
    maxmemory: 0,
    maxmemory_policy: "noeviction",
  };
}

function persistenceFields({ backups, compactions, store, startedAtMs }: ConnectionHost, stats: StoreStats): Fields {
  return {
    loading: 0,
    rdb_bgsave_in_progress: backups.inProgress ? 1 : 0,
    rdb_last_save_time: Math.floor((backups.lastSavedAtMs ?? startedAtMs) / 1000),
    rdb_last_bgsave_status: backups.lastFailed ? "err" : "ok",
    aof_enabled: 1,
    aof_rewrite_in_progress: compactions.inProgress ? 1 : 0,
    aof_rewrite_scheduled: 0,
    aof_last_bgrewrite_status: compactions.lastFailed ? "err" : "ok",
    aof_rewrites: stats.compactions,
    aof_last_write_status: store.failure === undefined ? "ok" : "err",
    aof_current_size: stats.logBytes,
    live_bytes: stats.liveBytes,
    segments: stats.segments,
    compaction_read_bytes: stats.compactionReadBytes,
    compaction_written_bytes: stats.compactionWrittenBytes,
    compaction_dropped_records: stats.compactionDroppedRecords,
    commit_groups: stats.commitGroups,
    syncs: stats.syncs,
  };
}

function statsFields(server: ConnectionHost, stats: StoreStats, commands: readonly CommandFigures[]): Fields {
  const { counters, pubsub } = server;
  const { expiredKeys, inlineReads, coldReads } = counters.since(stats);
  const lookups = lookupFigures(server.session, server.nativeServer);
  const { rates } = counters;
  return {
    total_connections_received: counters.connectionsReceived,
    total_commands_processed: commands.reduce((sum, { calls }) => sum + calls, 0),
    instantaneous_ops_per_sec: Math.round(rates.commands),
    total_net_input_bytes: counters.inputBytes,
    total_net_output_bytes: counters.outputBytes,
    instantaneous_input_kbps: (rates.inputBytes / 1024).toFixed(2),
    instantaneous_output_kbps: (rates.outputBytes / 1024).toFixed(2),
    total_error_replies: commands.reduce((sum, { failed }) => sum + failed, 0),
    rejected_connections: counters.connectionsRejected,
    expired_keys: expiredKeys,
    evicted_keys: 0,
    evicted_clients: counters.connectionsEvicted,
    keyspace_hits: lookups.found,
    keyspace_misses: lookups.missed,
    commands_in_typescript: counters.commandsUp,
    pubsub_channels: pubsub.channels.length,
    pubsub_patterns: pubsub.patternCount,
    inline_reads: inlineReads,
    cold_reads: coldReads,
  };
}

function cpuFields(): Fields {
  const { user, system } = process.cpuUsage();
  return { used_cpu_sys: (system / 1e6).toFixed(6), used_cpu_user: (user / 1e6).toFixed(6) };
}

/** Times are there when the server takes them: with metrics. */
function fieldOfCommand({ name, calls, failed, seconds }: CommandFigures): [field: string, value: string] {
  const microseconds = Math.round(seconds * 1e6);
  const each = (microseconds / calls).toFixed(2);
  const figures = `calls=${calls},usec=${microseconds},usec_per_call=${each},rejected_calls=0,failed_calls=${failed}`;
  return [`cmdstat_${name}`, figures];
}
