// Keyspace notifications: what clients' commands, this process' own writes and active expiry did to keys, published on channels
// named after the key and after the event. What nobody asked for is not even noted.
import { Changes } from "../changes.js";
import type { ChangeObserver } from "../changes.js";
import {
  KIND_DELETE,
  KIND_EXPIRE,
  KIND_PUT,
  native,
  NOTIFY_EXPIRED,
  NOTIFY_GENERIC,
  NOTIFY_MISS,
  NOTIFY_NEW,
  NOTIFY_STRING,
} from "../native.js";
import type { Bytes, Group } from "../native.js";
import type { Session } from "../session.js";
import { keysOf } from "../ttl.js";
import type { PubSub } from "./pubsub.js";

/** Redis' letters, in the order in which it shows them. Those of other types stand for nothing here. */
const CLASSES = Array.from("g$lshzxetdn");
/** What A stands for. */
const ALL = CLASSES.slice(0, -1);
const CHANNELS_AND_MISSES = Array.from("KEm");

const classBits: Readonly<Record<string, number>> = {
  g: NOTIFY_GENERIC,
  $: NOTIFY_STRING,
  x: NOTIFY_EXPIRED,
  n: NOTIFY_NEW,
  m: NOTIFY_MISS,
};

/** Whether these are flags as Redis takes them; "" for none. */
export const areKeyspaceEventFlags = (text: string): boolean => /^[Ag$lshzxeKEtmdn]*$/.test(text);

/** The head of a notification: lengths of event and key. */
const HEAD_BYTES = 5;

export class KeyspaceEvents implements ChangeObserver {
  readonly #session: Session;
  readonly #nativeServer: number;
  readonly #pubsub: PubSub;
  #flags: ReadonlySet<string> = new Set();

  constructor(session: Session, nativeServer: number, pubsub: PubSub, flags: string) {
    this.#session = session;
    this.#nativeServer = nativeServer;
    this.#pubsub = pubsub;
    this.set(flags);
  }

  /** As Redis shows them. */
  get flags(): string {
    const has = (letter: string): boolean => this.#flags.has(letter);
    const classes = ALL.every(has) ? "A" : CLASSES.filter(has).join("");
    return classes + CHANNELS_AND_MISSES.filter(has).join("");
  }

  /** REQUIRES areKeyspaceEventFlags. */
  set(flags: string): void {
    this.#flags = new Set(flags.replaceAll("A", ALL.join("")));
    const isHeard = this.#flags.has("K") || this.#flags.has("E");
    let bits = 0;
    for (const [letter, bit] of Object.entries(classBits)) if (isHeard && this.#flags.has(letter)) bits |= bit;
    native.serverNotify(this.#session.handle, this.#nativeServer, bits);
    if ((bits & (NOTIFY_GENERIC | NOTIFY_STRING)) === 0) this.end();
    else Changes.add(this.#session, this);
  }

  /** Hears no more of what this process writes. */
  end(): void {
    Changes.delete(this.#session, this);
  }

  /** This process has written, not a client: told as of the command that comes nearest. */
  changed(kind: number, key: Bytes, ttlMs: number, group: Group): void {
    const bytes = Buffer.from(key as Uint8Array);
    const tell = (letter: string, event: string): void => {
      if (this.#flags.has(letter)) this.#publish(Buffer.from(event), bytes, group);
    };
    if (kind === KIND_PUT) tell("$", "set");
    if (kind === KIND_DELETE) tell("g", "del");
    else if (ttlMs > 0) tell("g", "expire");
    else if (kind === KIND_EXPIRE) tell("g", "persist");
  }

  /** Publishes what a session noted, when this group is acknowledged. */
  publishAll(notifications: Buffer, group: Group): void {
    for (let at = 0; at < notifications.length;) {
      const eventBegin = at + HEAD_BYTES;
      const keyBegin = eventBegin + notifications[at]!;
      const end = keyBegin + notifications.readUInt32LE(at + 1);
      this.#publish(notifications.subarray(eventBegin, keyBegin), notifications.subarray(keyBegin, end), group);
      at = end;
    }
  }

  /** Keys that active expiry has removed; that is acknowledged. */
  publishExpired(chunk: ArrayBuffer): void {
    if (!this.#flags.has("x")) return;
    const event = Buffer.from("expired");
    for (const key of keysOf(chunk)) this.#publish(event, key, 0);
  }

  #publish(event: Buffer, key: Buffer, group: Group): void {
    const channel = (kind: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`__${kind}@0__:`), name]);
    if (this.#flags.has("K")) this.#pubsub.publish(channel("keyspace", key), event, group);
    if (this.#flags.has("E")) this.#pubsub.publish(channel("keyevent", event), key, group);
  }
}
