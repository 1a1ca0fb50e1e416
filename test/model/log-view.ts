// What of a store with a write-back buffer is in its log: which calls leave a put in the buffer, which flush, and in what order.
// A kill leaves the log as it stood after some flush or write, none of those that were acknowledged missing; nothing that
// only waited in the buffer is there. Limits by bytes and by time must be too large to matter.
import type { Command } from "./commands.js";
import { Model } from "./model.js";
import type { Entry } from "./model.js";

/** A key's last record, and the deadline that the log gives it. */
interface Logged {
  readonly entry: Entry;
  readonly deadlineLowMs: number;
  readonly deadlineHighMs: number;
}
type Log = ReadonlyMap<string, Logged>;

export class LogView {
  readonly #model: Model;
  /** In the order in which a flush writes them. */
  readonly #buffered = new Set<string>();
  /** What the log may be after a kill, oldest first; the last is what it is when nothing more is written. */
  #logs: Log[];

  /** Of a store that was just opened. */
  constructor(model: Model) {
    this.#model = model;
    this.#logs = [logOf(model)];
  }

  /** What a command flushes before it does its own. */
  before(command: Command): void {
    switch (command.op) {
      case "getEntry":
      case "increment":
      case "update":
        this.#flush([command.key]);
        break;
      case "batch":
        this.#flushForBatch(command.operations);
        break;
      case "walk":
        if (command.fromKey !== null) this.#flush([command.fromKey]);
        if (command.limit !== 0) this.#flushAll();
        break;
      case "snapshot":
      case "clear":
      case "flush":
        this.#flushAll();
        break;
    }
  }

  /** After the model has taken the command. `answered`: how many puts the store had in its buffer then. */
  after(command: Command, result: unknown, answered: number | undefined): void {
    this.#apply(command, result, answered);
    if (answered === undefined || answered === this.#buffered.size) return;
    throw new Error(`${this.#buffered.size} puts should be in the buffer, there are ${answered}`);
  }

  /** The stores that an opening may find after a kill; `closed`: the one after a close. */
  candidates(closed: boolean): Model[] {
    if (closed) {
      this.#flushAll();
      this.#acknowledge();
    }
    const { lapsed, everLapsed } = this.#model;
    return this.#logs.map((log) => modelOf(log, closed ? lapsed : everLapsed));
  }

  #apply(command: Command, result: unknown, answered: number | undefined): void {
    switch (command.op) {
      case "put":
        if (command.durable) this.#write([command.record.key], answered);
        else this.#buffered.add(command.record.key);
        break;
      case "lapse":
        if (command.apart) for (const { key } of command.records) this.#buffered.add(key);
        else this.#write(command.records.map(({ key }) => key), answered); // prettier-ignore
        break;
      case "putMany":
      case "stream":
        this.#write(command.records.map(({ key }) => key), answered); // prettier-ignore
        break;
      case "delete":
      case "expire":
      case "lapseKey":
        // Also of a put that has expired in the buffer: it takes it along, and answers that there was nothing.
        this.#write([command.key], answered);
        break;
      case "persist":
      case "increment":
      case "update":
        // A call that changes nothing writes nothing, and leaves the key's put where it is.
        if (wrote(command.op, result)) this.#write([command.key], answered);
        break;
      case "deleteMany":
        this.#write(command.keys, answered);
        break;
      case "batch": {
        const writes = command.operations.filter(({ type }) => type !== "check");
        if (committed(result)) this.#write(writes.map(({ key }) => key), answered); // prettier-ignore
        break;
      }
      case "getMany":
        // Where a page may not be in memory all values come from the log.
        if (answered !== undefined && answered < this.#buffered.size) this.#flush(command.keys);
        break;
      case "clear":
        this.#write([...this.#last.keys()].filter((key) => !this.#model.entries.has(key)), answered); // prettier-ignore
        break;
      case "flush":
        if (answered !== undefined) this.#acknowledge();
        break;
    }
  }

  get #last(): Log {
    return this.#logs.at(-1)!;
  }

  #acknowledge(): void {
    this.#logs = [this.#last];
  }

  /** A write of these keys, behind what was buffered for them; acknowledged when the command was answered. */
  #write(keys: readonly string[], answered: number | undefined): void {
    if (this.#add(keys) && answered !== undefined) this.#acknowledge();
  }

  #flush(keys: readonly string[]): void {
    const found = [...new Set(keys)].filter((key) => this.#buffered.has(key));
    if (found.length > 0) this.#add(found);
  }

  /** After it the log has everything, so its order is the one that scans in log order show. */
  #flushAll(): void {
    if (this.#buffered.size > 0) this.#add([...this.#buffered]);
    const { entries } = this.#model;
    const ordered = [...this.#last.keys()].map((key): [string, Entry] => [key, entries.get(key)!]);
    entries.clear();
    for (const [key, entry] of ordered) entries.set(key, entry);
  }

  #flushForBatch(operations: Extract<Command, { op: "batch" }>["operations"]): void {
    // To learn a version, the store's process asks for the entry.
    for (const { key, if: guard } of operations) if (guard === "current" || guard === "stale") this.#flush([key]);
    if (operations.some(({ if: guard }) => guard !== undefined)) this.#flush(operations.map(({ key }) => key));
  }

  /** One batch in the log: these keys are there as they are now. Whether it surely wrote something. */
  #add(keys: readonly string[]): boolean {
    let changed = false;
    const log = new Map(this.#last);
    // A key that is written twice stands where it was written last.
    for (const key of [...new Set([...keys].reverse())].reverse()) {
      const entry = this.#model.entries.get(key);
      const logged = log.get(key);
      changed ||= logged?.entry !== entry || logged?.deadlineHighMs !== entry?.deadlineHighMs;
      if (entry === undefined || logged?.entry !== entry) log.delete(key);
      if (entry !== undefined) log.set(key, loggedOf(entry));
      this.#buffered.delete(key);
    }
    if (changed) this.#logs.push(log);
    return changed;
  }
}

function loggedOf(entry: Entry): Logged {
  return { entry, deadlineLowMs: entry.deadlineLowMs, deadlineHighMs: entry.deadlineHighMs };
}

function logOf(model: Model): Log {
  return new Map([...model.entries].map(([key, entry]) => [key, loggedOf(entry)]));
}

function modelOf(log: Log, lapsed: ReadonlySet<string>): Model {
  const entries = [...log].map(([key, { entry, ...deadline }]): [string, Entry] => [key, { ...entry, ...deadline }]);
  return new Model(entries, lapsed);
}

/** Whether a command that may find nothing to do did something; when nobody has answered: it may have. */
function wrote(op: "persist" | "increment" | "update", result: unknown): boolean {
  if (result === undefined) return true;
  if (op === "update") return !Array.isArray(result) || result[0] !== null || result[1] !== null;
  return op === "increment" ? typeof result === "number" : result === true;
}

function committed(result: unknown): boolean {
  return result === undefined || (result as { committed: boolean }).committed;
}
