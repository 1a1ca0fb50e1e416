// Who has subscribed to what, and what is published to them. Messages go out in order with everything else that a client is sent;
// what a transaction publishes waits until it is committed, and goes out when that is acknowledged.
import { native } from "../native.js";
import type { Group } from "../native.js";
import type { Connection } from "./connection.js";
import { encodeReply, PushReply } from "./replies.js";
import type { Reply, ReplyForm } from "./replies.js";

/** Of one connection, channels and patterns together. */
const SUBSCRIPTIONS_MAX = 65_536;

/** What a subscription takes beside its name, about. */
const SUBSCRIPTION_BYTES = 200;

/** Names are kept as latin1, a unit a byte. */
type Name = string;
export type SubscriptionKind = "channels" | "patterns";
type Subscribers = Map<Name, Set<Connection>>;

interface Publication {
  readonly channel: Buffer;
  readonly message: Buffer;
}

export class PubSub {
  readonly #subscribers: Readonly<Record<SubscriptionKind, Subscribers>> = { channels: new Map(), patterns: new Map() };
  /** Of connections that have subscribed. */
  readonly #names = new Map<Connection, Readonly<Record<SubscriptionKind, Set<Name>>>>();
  /** What transactions that are under way have published. */
  readonly #deferred = new Map<Connection, Publication[]>();

  /** Subscriptions of a connection; 0 for most. */
  countOf(connection: Connection, kind?: SubscriptionKind): number {
    const names = this.#names.get(connection);
    if (names === undefined) return 0;
    return kind === undefined ? names.channels.size + names.patterns.size : names[kind].size;
  }

  /** What a connection has subscribed to. */
  namesOf(connection: Connection, kind: SubscriptionKind): readonly Name[] {
    return [...(this.#names.get(connection)?.[kind] ?? [])];
  }

  /** False when it has too many subscriptions. */
  subscribe(connection: Connection, kind: SubscriptionKind, name: Name): boolean {
    let names = this.#names.get(connection);
    if (names?.[kind].has(name)) return true;
    if (this.countOf(connection) >= SUBSCRIPTIONS_MAX) return false;
    if (names === undefined) this.#names.set(connection, (names = { channels: new Set(), patterns: new Set() }));
    names[kind].add(name);
    connection.subscribedBytes += name.length + SUBSCRIPTION_BYTES;
    const subscribers = this.#subscribers[kind].get(name);
    if (subscribers === undefined) this.#subscribers[kind].set(name, new Set([connection]));
    else subscribers.add(connection);
    return true;
  }

  unsubscribe(connection: Connection, kind: SubscriptionKind, name: Name): void {
    const names = this.#names.get(connection);
    if (names?.[kind].delete(name) !== true) return;
    connection.subscribedBytes -= name.length + SUBSCRIPTION_BYTES;
    if (this.countOf(connection) === 0) this.#names.delete(connection);
    const subscribers = this.#subscribers[kind].get(name)!;
    subscribers.delete(connection);
    if (subscribers.size === 0) this.#subscribers[kind].delete(name);
  }

  /** The connection is closed, or as new. */
  forget(connection: Connection): void {
    for (const kind of ["channels", "patterns"] as const) {
      for (const name of this.namesOf(connection, kind)) this.unsubscribe(connection, kind, name);
    }
    this.#deferred.delete(connection);
  }

  /** Sends to all who have subscribed; `group` must be acknowledged first. How many it is sent to, each for each subscription. */
  publish(channel: Buffer, message: Buffer, group: Group): number {
    let receivers = 0;
    const name = channel.toString("latin1");
    const subscribers = this.#subscribers.channels.get(name);
    if (subscribers !== undefined) receivers += sendAll(subscribers, ["message", channel, message], group);
    for (const [pattern, others] of this.#subscribers.patterns) {
      const bytes = Buffer.from(pattern, "latin1");
      if (!native.matchesPattern(bytes, channel)) continue;
      receivers += sendAll(others, ["pmessage", bytes, channel, message], group);
    }
    return receivers;
  }

  /** How many publish() would send to now. */
  receiversOf(channel: Buffer): number {
    let receivers = this.#subscribers.channels.get(channel.toString("latin1"))?.size ?? 0;
    for (const [pattern, others] of this.#subscribers.patterns) {
      if (native.matchesPattern(Buffer.from(pattern, "latin1"), channel)) receivers += others.size;
    }
    return receivers;
  }

  /** Of a transaction of this connection's: see settle(). */
  defer(connection: Connection, channel: Buffer, message: Buffer): void {
    const deferred = this.#deferred.get(connection);
    if (deferred === undefined) this.#deferred.set(connection, [{ channel, message }]);
    else deferred.push({ channel, message });
  }

  /** The connection's transaction has been committed in this group, or (undefined) was not. What publishes it, if there is something. */
  settle(connection: Connection, group: Group | undefined): (() => void) | undefined {
    const deferred = this.#deferred.get(connection);
    this.#deferred.delete(connection);
    if (deferred === undefined || group === undefined) return undefined;
    return () => {
      for (const { channel, message } of deferred) this.publish(channel, message, group);
    };
  }

  /** Channels that somebody has subscribed to. */
  get channels(): readonly Name[] {
    return [...this.#subscribers.channels.keys()];
  }

  subscribersOf(channel: Name): number {
    return this.#subscribers.channels.get(channel)?.size ?? 0;
  }

  get patternCount(): number {
    return this.#subscribers.patterns.size;
  }
}

/** The message is encoded once for each form that is spoken. */
function sendAll(connections: ReadonlySet<Connection>, items: readonly Reply[], group: Group): number {
  const { size } = connections;
  const encoded = new Map<ReplyForm, Buffer>();
  for (const connection of connections) {
    let bytes = encoded.get(connection.form);
    if (bytes === undefined) encoded.set(connection.form, (bytes = encodeReply(new PushReply(items), connection.form)));
    connection.push(bytes, group);
  }
  return size;
}
