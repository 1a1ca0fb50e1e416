// The write-back buffer, one per store handle: puts wait here, the newest of each key, until a flush writes them as one batch. What
// was flushed is remembered until its commit group is acknowledged, and comes back when the group fails, unless a later
// write of the key went well. Other handles do not see what is buffered. buffered-writes.ts and reads.ts look through it.
import { performance } from "node:perf_hooks";
import { bytesOf, columnsOf, nameOf, ownBytes } from "./buffered-put.js";
import type { BufferedPut } from "./buffered-put.js";
import { CrabKVError } from "./errors.js";
import { KIND_PUT, native } from "./native.js";
import type { Bytes, Group, Handle } from "./native.js";
import type { WriteBackBounds } from "./options.js";

/** Puts whose fate is that of a commit group. */
interface Sent {
  readonly group: Group;
  readonly puts: readonly BufferedPut[];
  /** Nobody waits for it: its failure is to be reported. */
  readonly background: boolean;
  /** The group has failed, its puts wait here again, and the report of that is still to come. */
  isTakenBack: boolean;
}

/** What the buffer needs of its session. */
export interface BufferSession {
  readonly handle: Handle;
  /** The same, and while close() waits still that. */
  readonly openHandle: Handle;
  readonly failed: boolean;
  kick(): void;
}

/** What a put costs beside its key and value, about. */
const PUT_BYTES = 200;
/** After a failed flush, puts beyond the bound are refused without another try for so long. */
const RETRY_MS = 20;

// A program that ends by itself flushes first. One listener for all buffers, which it holds only while they hold something.
const unflushed = new Set<WriteBack>();
let flushesAtExit = false;

export class WriteBack {
  readonly #session: BufferSession;
  readonly #bounds: WriteBackBounds;
  readonly #report: (error: Error) => void;
  readonly #puts = new Map<string, BufferedPut>();
  #bytes = 0;
  /** Flushed, not acknowledged; the newest of each key. */
  readonly #inFlight = new Map<string, BufferedPut>();
  #sent: Sent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #trouble: Error | undefined;
  #troubledAtMs = 0;
  #isTold = false;
  coalesced = 0;
  flushes = 0;
  /** native.rollbacks when this last learned what was taken back: a write that depends on the store's state is made with it. */
  rollbacks = 0;
  /** Changes whenever a flush is taken back, and its puts wait here again. */
  losses = 0;

  constructor(session: BufferSession, bounds: WriteBackBounds, report: (error: Error) => void) {
    this.#session = session;
    this.#bounds = bounds;
    this.#report = report;
    if (!flushesAtExit) process.on("beforeExit", flushAtExit);
    flushesAtExit = true;
  }

  get size(): number {
    return this.#puts.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a put, or leaves it to the core, which then refuses it or has better room for it: false. Throws CRABKV_BUSY when the
   * bound is reached and the flush fails.
   */
  put(key: Bytes, value: Bytes, ttlMs: number): boolean {
    if (this.#session.handle === 0 || this.#session.failed) return false;
    const bounds = this.#bounds;
    const keyBytes = bytesOf(key);
    const valueBytes = bytesOf(value);
    const bytes = PUT_BYTES + keyBytes + valueBytes;
    if (keyBytes > bounds.keyBytesMax || valueBytes > bounds.valueBytesMax || bytes > bounds.bytes) return false;
    const name = nameOf(key)!;
    this.#makeRoomFor(name, bytes);
    const old = this.#puts.get(name);
    if (old !== undefined) {
      this.coalesced++;
      this.#bytes -= old.bytes;
    }
    this.#puts.set(name, {
      name,
      key: ownBytes(key),
      value: ownBytes(value),
      ttlMs,
      putAtMs: ttlMs === 0 ? 0 : performance.now(),
      putAtWallMs: ttlMs === 0 ? 0 : Date.now(),
      bytes,
      openGroups: 0,
    });
    this.#bytes += bytes;
    this.#schedule();
    return true;
  }

  #makeRoomFor(name: string, bytes: number): void {
    const { bytes: bytesMax, operationsMax } = this.#bounds;
    const old = this.#puts.get(name);
    const entries = this.#puts.size + (old === undefined ? 1 : 0);
    if (this.#bytes + bytes - (old?.bytes ?? 0) <= bytesMax && entries <= operationsMax) return;
    if (this.#trouble === undefined || performance.now() - this.#troubledAtMs >= RETRY_MS) {
      try {
        this.flush(true);
        return;
      } catch (error) {
        this.#suffer(error as Error, false);
      }
    }
    const message = "the write-back buffer is full and could not be flushed; see cause";
    throw new CrabKVError("CRABKV_BUSY", message, { cause: this.#trouble });
  }

  /** The put of a key that waits here, which may have expired. */
  find(key: Bytes): BufferedPut | undefined {
    if (this.#puts.size === 0) return undefined;
    const name = nameOf(key);
    return name === undefined ? undefined : this.#puts.get(name);
  }

  /** Whether a put of this name waits here. */
  waits(name: string): boolean {
    return this.#puts.has(name);
  }

  /** Whether a put of the key waits here, or was flushed and may still come back. */
  holds(key: Bytes): boolean {
    if (this.#puts.size === 0 && this.#inFlight.size === 0) return false;
    const name = nameOf(key);
    return name !== undefined && (this.#puts.has(name) || this.#inFlight.has(name));
  }

  /**
   * Whether a flush was taken back since `losses` was this. The log undoes a failed flush before it is told here: a look at the store
   * in between finds what was there before the put, and after this one has to look here again.
   */
  lostSince(losses: number): boolean {
    if (this.#sent.length > 0) this.catchUp();
    return this.losses !== losses;
  }

  /** Learns what the log has taken back, ahead of its report. */
  catchUp(): void {
    const handle = this.#session.openHandle;
    if (handle === 0 || native.rollbacks(handle) === this.rollbacks) return;
    const [rollbacks, ...groups] = native.takenBackGroups(handle);
    for (let i = 0; i < groups.length; i += 2) this.#takeBack(groups[i]!, groups[i + 1]!);
    this.rollbacks = rollbacks!;
  }

  /** Those of the keys that wait here, each once. */
  findAll(names: Iterable<string>): BufferedPut[] {
    if (this.#puts.size === 0) return [];
    const found = new Set<BufferedPut>();
    for (const name of names) {
      const put = this.#puts.get(name);
      if (put !== undefined) found.add(put);
    }
    return [...found];
  }

  /**
   * Writes everything that waits here as one batch; as more only when failed flushes left more than the bound. What it throws left
   * the rest here.
   */
  flush(background: boolean, handle = this.#session.handle): void {
    while (this.#puts.size > 0) this.#write(this.#nextBatch(), background, handle);
    this.#rest();
  }

  /** The same for one key, if it waits here. */
  flushKey(key: Bytes): void {
    const put = this.find(key);
    if (put !== undefined) this.flushPuts([put]);
  }

  flushPuts(puts: readonly BufferedPut[]): void {
    if (puts.length > 0) this.#write(puts, true, this.#session.handle);
  }

  #nextBatch(): BufferedPut[] {
    const batch: BufferedPut[] = [];
    let bytes = 0;
    for (const put of this.#puts.values()) {
      bytes += put.bytes;
      if (batch.length > 0 && (bytes > this.#bounds.bytes || batch.length === this.#bounds.operationsMax)) break;
      batch.push(put);
    }
    return batch;
  }

  #write(puts: readonly BufferedPut[], background: boolean, handle: Handle): void {
    const { keys, values, rows } = columnsOf(puts);
    const group = native.writeBatch(
      handle,
      KIND_PUT,
      keys.data,
      keys.lengths,
      values.data,
      values.lengths,
      rows,
      undefined,
      undefined,
    );
    this.#session.kick();
    this.flushes++;
    this.#send(puts, group, background);
  }

  /**
   * These keys were written in `group` by something else than a flush: what waits here for them is older, and counts again only
   * when the group fails.
   */
  overtake(names: Iterable<string>, group: Group): void {
    const older = new Set<BufferedPut>();
    for (const name of names) {
      const put = this.#puts.get(name) ?? this.#inFlight.get(name);
      if (put !== undefined) older.add(put);
    }
    if (older.size > 0) this.#send([...older], group, false);
  }

  /** The same for a group that is known late, when newer puts may wait here. */
  overtakeLate(names: Iterable<string>, group: Group): void {
    const isEarlier = (sent: Sent): boolean => sent.group <= group && !sent.isTakenBack;
    const sent = new Set(this.#sent.filter(isEarlier).flatMap(({ puts }) => puts));
    const older = new Set<BufferedPut>();
    for (const name of names) {
      const put = this.#inFlight.get(name);
      if (put !== undefined && sent.has(put)) older.add(put);
    }
    if (older.size > 0) this.#send([...older], group, false);
  }

  #send(puts: readonly BufferedPut[], group: Group, background: boolean): void {
    for (const put of puts) {
      put.openGroups++;
      this.#inFlight.set(put.name, put);
      if (this.#puts.get(put.name) !== put) continue;
      this.#puts.delete(put.name);
      this.#bytes -= put.bytes;
    }
    const sent = { group, puts, background, isTakenBack: false };
    if (group === 0)
      this.#settle(sent); // nothing had to be written
    else this.#sent.push(sent);
    this.#rest();
  }

  /** All groups up to this one are acknowledged, those that failed apart. */
  settled(upTo: Group): void {
    const sent = this.#sent;
    if (sent.length === 0) return;
    this.#sent = sent.filter(({ group }) => group > upTo);
    for (const one of sent) if (one.group <= upTo) this.#settle(one);
  }

  #settle(sent: Sent): void {
    this.#trouble = undefined;
    this.#isTold = false;
    for (const put of sent.puts) if (this.#inFlight.get(put.name) === put) this.#inFlight.delete(put.name);
  }

  /** The report that these groups were taken back. */
  failedBetween(first: Group, last: Group, error: Error): void {
    const failed = this.#takeBack(first, last);
    if (failed.length === 0) return;
    this.#sent = this.#sent.filter((sent) => !failed.includes(sent));
    this.#suffer(
      error,
      failed.some(({ background }) => background),
    );
  }

  /** What these groups wrote of ours waits here again, unless a later write of the key may still stand. */
  #takeBack(first: Group, last: Group): readonly Sent[] {
    const failed = this.#sent.filter(({ group }) => group >= first && group <= last);
    for (const sent of failed) {
      if (sent.isTakenBack) continue;
      sent.isTakenBack = true;
      this.losses++;
      for (const put of sent.puts) this.#waitAgain(put);
    }
    this.#schedule();
    return failed;
  }

  #waitAgain(put: BufferedPut): void {
    if (--put.openGroups > 0 || this.#inFlight.get(put.name) !== put) return;
    this.#inFlight.delete(put.name);
    if (this.#puts.has(put.name)) return;
    this.#puts.set(put.name, put);
    this.#bytes += put.bytes;
  }

  /** A flush failed. When nobody waits for it this is told, once until one goes well. */
  #suffer(error: Error, tell: boolean): void {
    this.#trouble = error;
    this.#troubledAtMs = performance.now();
    if (!tell || this.#isTold) return;
    this.#isTold = true;
    this.#report(error);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#puts.size === 0) return;
    if (this.#session.failed || this.#session.handle === 0) return;
    unflushed.add(this);
    this.#timer = setTimeout(this.flushInBackground, this.#bounds.everyMs);
    this.#timer.unref();
  }

  #rest(): void {
    if (this.#puts.size > 0) return;
    unflushed.delete(this);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly flushInBackground = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#session.handle === 0) return;
    try {
      this.flush(true);
    } catch (error) {
      this.#suffer(error as Error, true);
      this.#schedule();
    }
  };

  /** Whether the last flush went wrong for another reason than that the log had no room just then. */
  get isTroubled(): boolean {
    return this.#trouble !== undefined && (this.#trouble as Partial<CrabKVError>).code !== "CRABKV_BUSY";
  }

  /** The first and the last group that something in flight depends on. */
  get openGroups(): readonly [first: Group, last: Group] {
    const groups = this.#sent.filter(({ isTakenBack }) => !isTakenBack).map(({ group }) => group);
    return groups.length === 0 ? [0, 0] : [Math.min(...groups), Math.max(...groups)];
  }

  /** Forgets everything, with the store closed. */
  end(): void {
    this.#puts.clear();
    this.#bytes = 0;
    this.#rest();
  }
}

function flushAtExit(): void {
  // A buffer that cannot be flushed does not keep the program from ending.
  for (const buffer of unflushed) if (!buffer.isTroubled) buffer.flushInBackground();
}
