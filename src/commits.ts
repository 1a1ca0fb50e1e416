// Promises for commit groups. A write learns its group number at once and its fate later, when the addon reports a
// watermark; the writes of one group share one promise, and rows of puts (put-row.ts) one each, so that a put costs no promise of its own.
// One instance follows the acknowledgements of a store, another one (in the lazy modes) its durability.
import type { Group } from "./native.js";

export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** What waits for one group. A promise is made when somebody asks for it: one that nobody has cannot go unhandled. */
class WaitingGroup {
  readonly group: Group;
  done: Deferred<undefined> | undefined;
  present: Deferred<boolean> | undefined;
  absent: Deferred<boolean> | undefined;
  /** Promises of rows of puts, which were given out before it was known that they would be in this group. */
  rows: Deferred<undefined>[] | undefined;
  /** Of `done` and `rows`, the one that was given out last. */
  newest: Deferred<undefined> | undefined;

  constructor(group: Group) {
    this.group = group;
  }

  resolve(): void {
    this.done?.resolve(undefined);
    this.present?.resolve(true);
    this.absent?.resolve(false);
    if (this.rows !== undefined) for (const row of this.rows) row.resolve(undefined);
  }

  reject(error: Error): void {
    this.#rejectPuts(error);
    this.present?.reject(error);
    this.absent?.reject(error);
  }

  /** The puts of a group that nobody awaited are one unhandled rejection together: that of the newest. */
  #rejectPuts(error: Error): void {
    const puts = [...(this.rows ?? []), ...(this.done === undefined ? [] : [this.done])];
    for (const put of puts) {
      if (put !== this.newest) put.promise.catch(() => undefined);
      put.reject(error);
    }
  }
}

/** A promise of its own, for the groups from `first` to `last`: it rejects when any of them fails. */
interface OwnWaiter {
  readonly first: Group;
  readonly last: Group;
  resolve(): void;
  reject(error: Error): void;
}

interface Failure {
  readonly first: Group;
  readonly last: Group;
  readonly error: Error;
}

const resolved = Promise.resolve(undefined);
const noGroup = new WaitingGroup(-1);

export class Commits {
  /** Ascending, because one thread's writes are: settled from the front. */
  #waiting: WaitingGroup[] = [];
  #own: OwnWaiter[] = [];
  #last = noGroup;
  /** The highest group that the watermark has passed. */
  #settled: Group = 0;
  /** Failures that a write still on its way (see late) may have been part of. */
  #failures: Failure[] = [];
  #late = 0;
  #drained: Deferred<undefined> | undefined;

  /** Settles with the group; the same promise for every caller of a group. */
  done(group: Group): Promise<undefined> {
    const last = this.#last;
    if (group === last.group && last.done !== undefined) return (last.newest = last.done).promise;
    if (group <= this.#settled) return resolved;
    const waiting = this.#waitFor(group);
    waiting.newest = waiting.done ??= new Deferred();
    return waiting.done.promise;
  }

  /** Settles a promise with the group that its puts turned out to be in. */
  settleWith(group: Group, row: Deferred<undefined>): void {
    if (group <= this.#settled) {
      row.resolve(undefined);
      return;
    }
    const waiting = this.#waitFor(group);
    (waiting.rows ??= []).push(row);
    waiting.newest = row;
  }

  /** Settles with the group, with what a delete found; the same two promises for every caller of a group. */
  doneWith(group: Group, present: boolean): Promise<boolean> {
    if (group <= this.#settled) return Promise.resolve(present);
    const waiting = this.#waitFor(group);
    if (present) return (waiting.present ??= new Deferred()).promise;
    return (waiting.absent ??= new Deferred()).promise;
  }

  /** A promise of its own for all groups from `first` to `last`. */
  own<T>(first: Group, last: Group, value: T): Promise<T> {
    const failure = this.#failures.find((failed) => failed.first <= last && failed.last >= first);
    return failure === undefined ? this.#notToldYet(first, last, value) : Promise.reject(failure.error);
  }

  /** A promise of its own for all groups up to this one: failures that were told before are not its own. */
  allUpTo(group: Group): Promise<undefined> {
    return this.#notToldYet(0, group, undefined);
  }

  /** A promise of its own for all groups that somebody waits for now. */
  allWaiting(): Promise<undefined> {
    let [first, last] = [Infinity, 0];
    const count = (from: Group, to: Group) => ([first, last] = [Math.min(first, from), Math.max(last, to)]);
    const waiting = this.#waiting;
    if (waiting.length > 0) count(waiting[0]!.group, waiting.at(-1)!.group);
    for (const own of this.#own) count(own.first, own.last);
    return this.#notToldYet(first, last, undefined);
  }

  /**
   * A write is on its way on another thread, and its group may settle before it is known here: failures are remembered
   * until the function that this returns is called. Call `own` before it.
   */
  late(): () => void {
    this.#late++;
    return () => {
      if (--this.#late === 0) this.#failures = [];
      this.#checkDrained();
    };
  }

  fail(first: Group, last: Group, error: Error): void {
    if (this.#late > 0) this.#failures.push({ first, last, error });
    const failed = this.#waiting.filter(({ group }) => group >= first && group <= last);
    if (failed.length > 0) this.#waiting = this.#waiting.filter((waiting) => !failed.includes(waiting));
    // A group that failed takes no more writes, but its number could still be asked for.
    if (this.#last.group >= first && this.#last.group <= last) this.#last = noGroup;
    for (const waiting of failed) waiting.reject(error);
    this.#settleOwn(
      (waiter) => waiter.first <= last && waiter.last >= first,
      (waiter) => waiter.reject(error),
    );
    this.#checkDrained();
  }

  settle(upTo: Group): void {
    if (upTo <= this.#settled) return;
    this.#settled = upTo;
    const waiting = this.#waiting;
    let passed = 0;
    while (passed < waiting.length && waiting[passed]!.group <= upTo) waiting[passed++]!.resolve();
    if (passed > 0) waiting.splice(0, passed);
    if (this.#own.length > 0)
      this.#settleOwn(
        (waiter) => waiter.last <= upTo,
        (waiter) => waiter.resolve(),
      );
    this.#checkDrained();
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<undefined> {
    if (this.#isIdle()) return resolved;
    return (this.#drained ??= new Deferred()).promise;
  }

  #notToldYet<T>(first: Group, last: Group, value: T): Promise<T> {
    if (last <= this.#settled) return Promise.resolve(value);
    return new Promise((resolve, reject) => {
      this.#own.push({ first, last, resolve: () => resolve(value), reject });
    });
  }

  #waitFor(group: Group): WaitingGroup {
    if (group === this.#last.group) return this.#last;
    const waiting = new WaitingGroup(group);
    this.#waiting.push(waiting);
    this.#last = waiting;
    return waiting;
  }

  #settleOwn(settles: (waiter: OwnWaiter) => boolean, settle: (waiter: OwnWaiter) => void): void {
    const settled = this.#own.filter(settles);
    if (settled.length === 0) return;
    this.#own = this.#own.filter((waiter) => !settles(waiter));
    settled.forEach(settle);
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#own.length === 0 && this.#late === 0;
  }

  #checkDrained(): void {
    if (this.#drained === undefined || !this.#isIdle()) return;
    this.#drained.resolve(undefined);
    this.#drained = undefined;
  }
}
