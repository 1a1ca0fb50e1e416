// The figures of a server for Prometheus. They are counted elsewhere, and read when somebody asks.
import { collectDefaultMetrics, Registry } from "prom-client";
import type { Metric, MetricObject, MetricValue } from "prom-client";
import type { StoreStats } from "../native.js";
import { commandFigures, LATENCY_BOUNDS_S, lookupFigures } from "./command-figures.js";
import type { CommandFigures, LookupFigures } from "./command-figures.js";
import type { Server } from "./server.js";

type Kind = "counter" | "gauge";
type Values = readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];

/** Name without its prefix, kind, help, and how it is read. */
const storeFigures: readonly (readonly [string, Kind, string, (stats: StoreStats) => number])[] = [
  ["keys", "gauge", "Keys in the index.", ({ keys }) => keys],
  ["keys_with_deadline", "gauge", "Keys that expire.", ({ keysWithDeadline }) => keysWithDeadline],
  ["expired_keys_total", "counter", "Expired keys that were removed.", ({ expiredKeys }) => expiredKeys],
  ["index_bytes", "gauge", "Memory of the index.", ({ indexBytes }) => indexBytes],
  ["segments", "gauge", "Segments of the log.", ({ segments }) => segments],
  ["log_bytes", "gauge", "Bytes in use in all segments.", ({ logBytes }) => logBytes],
  ["live_bytes", "gauge", "About what compaction would leave.", ({ liveBytes }) => liveBytes],
  ["dead_bytes", "gauge", "About what it would free.", ({ logBytes, liveBytes }) => Math.max(0, logBytes - liveBytes)],
  ["disk_bytes", "gauge", "Sizes of the files.", ({ diskBytes }) => diskBytes],
  ["open_seconds", "gauge", "Time that opening took.", ({ openMs }) => openMs / 1e3],
  ["open_hints_missing", "gauge", "Segments that it read for want of a hint.", ({ openHintsMissing: n }) => n],
  ["acknowledged_version", "gauge", "The newest version acknowledged.", ({ acknowledgedVersion: n }) => n],
  ["durable_version", "gauge", "The newest version that is durable.", ({ durableVersion }) => durableVersion],
  ["pending_bytes", "gauge", "Accepted and not yet written.", ({ pendingBytes }) => pendingBytes],
  ["commit_groups_total", "counter", "Commit groups written.", ({ commitGroups }) => commitGroups],
  ["committed_records_total", "counter", "Records written.", ({ committedRecords }) => committedRecords],
  ["fsyncs_total", "counter", "Syncs of the log.", ({ syncs }) => syncs],
  ["fsync_seconds_total", "counter", "Time that they took.", ({ syncNsTotal }) => syncNsTotal / 1e9],
  ["fsync_seconds_max", "gauge", "The longest one.", ({ syncNsMax }) => syncNsMax / 1e9],
  ["inline_reads_total", "counter", "Reads answered from memory.", ({ inlineReads }) => inlineReads],
  ["cold_reads_total", "counter", "Reads that a thread did.", ({ coldReads }) => coldReads],
  ["cache_entries", "gauge", "Values in the cache.", ({ cacheEntries }) => cacheEntries],
  ["cache_hits_total", "counter", "Reads that it answered.", ({ cacheHits }) => cacheHits],
  ["cache_misses_total", "counter", "Reads that it did not.", ({ cacheMisses }) => cacheMisses],
  ["compactions_total", "counter", "Compactions.", ({ compactions }) => compactions],
  ["compacting", "gauge", "1 while one is under way.", ({ compacting }) => (compacting ? 1 : 0)],
  ["compaction_read_bytes_total", "counter", "Read by them.", ({ compactionReadBytes }) => compactionReadBytes],
  ["compaction_written_bytes_total", "counter", "Written by them.", ({ compactionWrittenBytes: n }) => n],
  ["disk_full", "gauge", "1 while writes are refused for want of space.", ({ diskFull }) => (diskFull ? 1 : 0)],
];

const one = (value: number): Values => [{ labels: {}, value }];

const serverFigures: readonly (readonly [string, Kind, string, (server: Server) => Values])[] = [
  ["connected_clients", "gauge", "Connections.", ({ connections }) => one(connections.size)],
  ["connections_total", "counter", "Connections so far.", ({ counters }) => one(counters.connectionsReceived)],
  [
    "rejected_connections_total",
    "counter",
    "Refused for want of room.",
    ({ counters: c }) => one(c.connectionsRejected),
  ],
  ["evicted_connections_total", "counter", "Ended for holding the most.", (s) => one(s.counters.connectionsEvicted)],
  ["client_bytes", "gauge", "Held for connections.", ({ clientMemory }) => one(clientMemory.bytes)],
  ["waiting_reply_bytes", "gauge", "Replies that wait for clients.", (server) => one(waitingBytesOf(server))],
  [
    "failed",
    "gauge",
    "1 when the store takes no more writes.",
    ({ store }) => one(store.failure === undefined ? 0 : 1),
  ],
  ["received_bytes_total", "counter", "From clients.", ({ counters }) => one(counters.inputBytes)],
  ["sent_bytes_total", "counter", "To clients.", ({ counters }) => one(counters.outputBytes)],
  ["keyspace_hits_total", "counter", "Keys that commands read.", (server) => one(lookupsOf(server).found)],
  ["keyspace_misses_total", "counter", "Keys that were not there.", (server) => one(lookupsOf(server).missed)],
  ["commands_total", "counter", "Commands, by name.", (server) => byCommand(server, ({ calls }) => calls)],
  ["command_errors_total", "counter", "Answered with an error.", (server) => byCommand(server, ({ failed }) => failed)],
];

export class Metrics {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** From now on the figures of this server are among them. */
  observe(server: Server): void {
    for (const [name, kind, help, read] of serverFigures) this.#add(name, kind, help, () => read(server));
    for (const [name, kind, help, read] of storeFigures) {
      this.#add(name, kind, help, () => (server.session.handle === 0 ? [] : one(read(server.store.stats()))));
    }
    this.#register({
      name: "crabkv_command_seconds",
      help: "Times of commands, by name: until the reply is made; that it is durable is waited for behind that.",
      type: "histogram",
      values: () => commandFigures(server.session, server.nativeServer).flatMap(histogramOf),
    });
  }

  #add(name: string, type: Kind, help: string, read: () => Values): void {
    this.#register({ name: `crabkv_${name}`, help, type, values: () => read().map((value) => ({ ...value })) });
  }

  // What prom-client asks of a metric; its own kinds count themselves, and these figures are counted already.
  #register({ values, ...described }: { name: string; help: string; type: string; values: () => object[] }): void {
    const get = (): Promise<MetricObject & { values: MetricValue<string>[] }> =>
      Promise.resolve({ ...described, aggregator: "sum", values: values() } as never);
    this.#registry.registerMetric({ ...described, get } as unknown as Metric);
  }
}

function waitingBytesOf({ connections }: Server): number {
  let bytes = 0;
  for (const connection of connections.values()) bytes += connection.waitingBytes;
  return bytes;
}

const lookupsOf = ({ session, nativeServer }: Server): LookupFigures => lookupFigures(session, nativeServer);

function byCommand({ session, nativeServer }: Server, value: (figures: CommandFigures) => number): Values {
  return commandFigures(session, nativeServer).map((figures) => ({
    labels: { command: figures.name },
    value: value(figures),
  }));
}

function histogramOf({ name: command, seconds, buckets }: CommandFigures): object[] {
  let count = 0;
  const values: object[] = buckets.map((calls, i) => {
    count += calls;
    const le = LATENCY_BOUNDS_S[i] ?? "+Inf";
    return { metricName: "crabkv_command_seconds_bucket", labels: { command, le }, value: count };
  });
  values.push({ metricName: "crabkv_command_seconds_sum", labels: { command }, value: seconds });
  values.push({ metricName: "crabkv_command_seconds_count", labels: { command }, value: count });
  return values;
}
