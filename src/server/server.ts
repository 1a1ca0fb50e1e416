// A server: where it listens, its connections, and what they share. It hears of acknowledged commit groups and lets go of
// the replies that waited for them.
import type { Socket } from "node:net";
import { native } from "../native.js";
import type { Group } from "../native.js";
import { sessionOf } from "../store.js";
import type { Store } from "../store.js";
import type { CommitObserver, Session } from "../session.js";
import { RequestedBackups } from "./backups.js";
import { RequestedCompactions } from "./compactions.js";
import { ClientMemory } from "./client-memory.js";
import { calledCount } from "./command-figures.js";
import { Connection } from "./connection.js";
import { ServerCounters } from "./counters.js";
import { KeyspaceEvents } from "./keyspace-events.js";
import type { TlsOptions } from "./endpoints.js";
import type { HttpEndpoint } from "./http.js";
import { Listener } from "./listener.js";
import type { ListenerHost, ListeningAddress } from "./listener.js";
import { listenForOwner } from "./owner-socket.js";
import { HeldReplies } from "./held-replies.js";
import { Hooks } from "./hooks.js";
import type { CommandHook, HookOptions } from "./hooks.js";
import { Monitors } from "./monitors.js";
import { LogEvents } from "./log-events.js";
import { openFilesMax } from "./open-files.js";
import { Password } from "./password.js";
import { Pause } from "./pause.js";
import { PubSub } from "./pubsub.js";
import { encodeReply, ErrorReply, FORM_BARE_TEXT, FORM_RESP2, FORM_TEXT } from "./replies.js";
import type { ReplyForm } from "./replies.js";
import { SlowCommands } from "./slow-commands.js";
import type { ResolvedServeOptions, TextStyle } from "./options.js";

/** Where a server listens with TCP. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly session: Session;
  readonly store: Store<string, string>;
  readonly nativeServer: number;
  readonly options: ResolvedServeOptions;
  readonly lineForm: ReplyForm;
  /** Of one reply. */
  readonly replyBytesMax: number;
  /** Undefined: none is asked for. */
  readonly password: Password | undefined;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly counters: ServerCounters;
  readonly compactions: RequestedCompactions;
  readonly backups: RequestedBackups;
  readonly startedAtMs: number;
  readonly slowCommands: SlowCommands;
  readonly addresses: readonly ListeningAddress[];
  /** As many as the process may have files for, or fewer. */
  readonly clientsMax: number;
  readonly hooks: Hooks;
  readonly pubsub: PubSub;
  readonly monitors: Monitors;
  readonly keyspaceEvents: KeyspaceEvents;
  readonly logEvents: LogEvents | undefined;
  readonly pause: Pause;
  readonly clientMemory: ClientMemory;
  readonly heldReplies: HeldReplies;
  close(): Promise<void>;
  /** Wakes the log's writer at the end of this turn of the event loop. */
  kick(): void;
  closed(connection: Connection): void;
}

const lineForms: Readonly<Record<TextStyle, ReplyForm>> = { value: FORM_TEXT, bare: FORM_BARE_TEXT, resp: FORM_RESP2 };
const ARGUMENTS_MAX = 1024 * 1024;
/** What a request or reply has beside the one large value in it: the key, options. */
const VALUE_HEAD_BYTES = 2 * 1024 * 1024;

/** Files that are no connections: the store's segments, the listening socket, what Node needs. */
const FILES_RESERVED = 256;

/** Connections of the command line beside those of clients. */
const OWNER_CLIENTS_MAX = 16;

/** A running server, see {@link serve}. */
export class Server implements ConnectionHost, CommitObserver, ListenerHost {
  /** The store that is served: other code of the process may use it too. */
  readonly store: Store<string, string>;
  /** @internal */
  readonly session: Session;
  /** @internal */
  readonly nativeServer: number;
  /** @internal */
  readonly options: ResolvedServeOptions;
  /** @internal */
  readonly lineForm: ReplyForm;
  /** @internal */
  readonly replyBytesMax: number;
  /** @internal */
  readonly password: Password | undefined;
  /** @internal */
  readonly connections = new Map<number, Connection>();
  /** @internal */
  readonly counters = new ServerCounters();
  /** @internal */
  readonly compactions: RequestedCompactions;
  /** @internal */
  readonly backups: RequestedBackups;
  /** @internal */
  readonly startedAtMs = Date.now();
  /** @internal */
  readonly slowCommands = new SlowCommands();
  /** @internal */
  readonly pubsub = new PubSub();
  /** @internal */
  readonly monitors: Monitors;
  /** @internal */
  readonly keyspaceEvents: KeyspaceEvents;
  readonly #http: HttpEndpoint | undefined;
  readonly #listeners: Listener[] = [];
  /** For the command line, when the server has opened the store itself. */
  #ownerListener: Listener | undefined;
  /** @internal */
  readonly hooks: Hooks;
  /** @internal */
  readonly logEvents: LogEvents | undefined;
  /** @internal */
  readonly clientsMax: number;
  /** @internal */
  readonly pause: Pause;
  /** @internal */
  readonly clientMemory: ClientMemory;
  /** @internal */
  readonly heldReplies: HeldReplies;
  #lastConnectionId = 0;
  #clock: NodeJS.Timeout | undefined;
  #kickScheduled = false;
  #closing: Promise<void> | undefined;
  #tellEnded: (closing: Promise<void>) => void = () => undefined;
  /** Settles as `close()` does, whoever asked for that: this process, or a client with SHUTDOWN. */
  readonly ended: Promise<void>;
  #emptied: (() => void) | undefined;

  /** @internal Use {@link serve}. */
  constructor(store: Store<string, string>, options: ResolvedServeOptions, http: HttpEndpoint | undefined) {
    this.store = store;
    this.#http = http;
    this.compactions = new RequestedCompactions(store);
    this.backups = new RequestedBackups(store, options.backupDir);
    this.session = sessionOf(store);
    this.heldReplies = new HeldReplies(this.session);
    this.options = options;
    this.password = options.password === undefined ? undefined : new Password(options.password);
    this.clientsMax = Math.min(options.clientsMax, Math.max(1, openFilesMax() - FILES_RESERVED));
    this.lineForm = lineForms[options.textStyle];
    const { valueBytesMax } = this.session;
    // The largest value can be put and read whatever the bounds say.
    this.replyBytesMax = Math.max(options.replyBytesMax, valueBytesMax + VALUE_HEAD_BYTES);
    const numbers = new Float64Array([
      ARGUMENTS_MAX,
      valueBytesMax,
      options.lineBytesMax,
      Math.max(options.requestBytesMax, valueBytesMax + VALUE_HEAD_BYTES),
      this.lineForm,
      options.defaultTtlMs,
      options.password === undefined ? 0 : 1,
      this.replyBytesMax,
      options.http === undefined ? 0 : 1,
      options.authArgumentsMax,
      options.authBytesMax,
      options.enableDebug ? 1 : 0,
    ]);
    this.nativeServer = native.serverOpen(this.session.handle, numbers);
    this.pause = new Pause(this.session, this.nativeServer, () => {
      for (const connection of this.connections.values()) connection.unpause();
    });
    this.clientMemory = new ClientMemory(this.connections, options.clientsBytesMax, (connection, bytes) => {
      this.counters.connectionsEvicted++;
      this.logEvents?.evicted(connection, bytes);
    });
    this.hooks = new Hooks(this.session, this.nativeServer);
    this.monitors = new Monitors(this.hooks);
    this.keyspaceEvents = new KeyspaceEvents(
      this.session,
      this.nativeServer,
      this.pubsub,
      options.notifyKeyspaceEvents,
    );
    this.ended = new Promise((resolve) => (this.#tellEnded = resolve));
    this.ended.catch(() => undefined); // whoever does not wait for it has close()
    this.session.observers.add(this);
    this.logEvents = options.log && new LogEvents(options.log);
    if (options.store === undefined) this.logEvents?.observe(store);
  }

  /** @internal */
  async listen(): Promise<void> {
    const { endpoints, store, dataDir, log } = this.options;
    for (const endpoint of endpoints) this.#listeners.push(await Listener.open(endpoint, this));
    this.#startClock();
    log?.info({ addresses: this.addresses, http: this.httpAddress }, "listening");
    if (store !== undefined) return;
    try {
      this.#ownerListener = await listenForOwner(dataDir, this);
    } catch (error) {
      // Another server of this process has it, or the file system has no sockets: clients are served all the same.
      log?.warn({ err: error }, "the crabkv commands cannot reach this server through its data directory");
    }
  }

  /** @internal The lock goes with it, and without the lock the socket may not be touched. */
  storeCloses(): void {
    void this.#ownerListener?.close();
  }

  /** Looks at the time of connections: so often that each limit is kept to a quarter, and at most once a second. */
  #startClock(): void {
    const { authTimeoutMs, requestTimeoutMs } = this.options;
    const everyMs = Math.min(1000, Math.max(10, Math.min(authTimeoutMs, requestTimeoutMs) / 4));
    this.#clock = setInterval(() => {
      const nowMs = Date.now();
      for (const connection of this.connections.values()) connection.checkTime(nowMs);
      this.counters.sample(nowMs, () => calledCount(this.session, this.nativeServer));
    }, everyMs);
    this.#clock.unref();
  }

  /** Where it listens with TCP, plain if it does, else with TLS. Throws when it does not. */
  get address(): ServerAddress {
    for (const address of this.addresses) {
      if (address.transport !== "unix") return { host: address.host, port: address.port };
    }
    throw new Error("the server listens on a Unix socket only: see addresses");
  }

  /** Where it answers HTTP; undefined when it does not. */
  get httpAddress(): ServerAddress | undefined {
    return this.#http?.address;
  }

  /** Everywhere that it listens for clients. */
  get addresses(): readonly ListeningAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  /**
   * Puts a function around commands, inside of those that were put there before: it may look at them, answer or refuse them itself,
   * or change what comes in and what goes out. `EXEC` is one command, which has what it runs in `queued`; a hook for a command is also
   * called for an `EXEC` that would run it. Commands that nobody hooked run as fast as before, so say which ones are meant.
   *
   * What is refused anyway is not shown: a wrong number of arguments, a missing password; nor is a command of more than 65,536 arguments,
   * or an `EXEC` of more words, which a hook would be called for: these are refused, too. When `next()` resolves, the command has run;
   * that its writes are durable is what the client's reply waits for, not the hook. While a hook takes its time, its connection waits,
   * and no other.
   *
   * @returns what takes the hook away again.
   * @throws `TypeError` for a hook that is no function, or wrong options.
   */
  use(hook: CommandHook): () => void;
  use(options: HookOptions, hook: CommandHook): () => void;
  use(first: CommandHook | HookOptions, second?: CommandHook): () => void {
    return this.hooks.add(first, second);
  }

  /**
   * Another certificate, with its key, for connections that are made from now on; those that are there go on as they are. (`port` and
   * `host` of the options mean nothing here.)
   *
   * @throws `TypeError` or `RangeError` for what is no certificate with its key, as {@link serve} does, and when `ca` is given and was not
   * before, or the other way round; `Error` when the server does not speak TLS. Then the certificate before stays.
   */
  setTls(tls: TlsOptions): void {
    const listeners = this.#listeners.filter(({ address }) => address.transport === "tls");
    if (listeners.length === 0) throw new Error("the server does not speak TLS");
    for (const listener of listeners) listener.setTls(tls);
    this.options.log?.info({}, "there is a new certificate");
  }

  /**
   * Takes no more connections and commands, lets clients have the replies of what ran (for up to `drainMs`), and closes the store
   * if it opened it. A second call answers with the same promise.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close();
      this.#tellEnded(this.#closing);
    }
    return this.#closing;
  }

  /** @internal */
  kick(): void {
    if (this.#kickScheduled) return;
    this.#kickScheduled = true;
    // After all sockets that have something have been read, so that their writes share a commit group.
    setImmediate(this.#kickNow);
  }

  readonly #kickNow = (): void => {
    this.#kickScheduled = false;
    native.kick(this.session.handle);
  };

  /** @internal */
  closed(connection: Connection): void {
    this.connections.delete(connection.id);
    this.logEvents?.left(connection);
    this.clientMemory.forget(connection);
    this.heldReplies.forget(connection);
    this.pubsub.forget(connection);
    this.monitors.delete(connection);
    if (this.connections.size === 0) this.#emptied?.();
  }

  /** @internal */
  acknowledgedUpTo(group: Group): void {
    this.heldReplies.release(group);
  }

  /** @internal */
  get awaitedGroup(): Group {
    return this.heldReplies.awaitedGroup;
  }

  /** @internal */
  expired(chunk: ArrayBuffer): void {
    this.keyspaceEvents.publishExpired(chunk);
  }

  /** @internal */
  failedBetween(first: Group, last: Group, error: Error): void {
    this.heldReplies.fail(first, last, error);
  }

  /** @internal */
  get handshakeTimeoutMs(): number {
    return this.options.authTimeoutMs;
  }

  /** @internal */
  mayShakeHands(handshakes: number): boolean {
    return this.#closing === undefined && this.connections.size + handshakes < this.clientsMax;
  }

  /** @internal */
  onSocket(socket: Socket, listener: Listener): void {
    this.counters.connectionsReceived++;
    // The owner gets in when clients have taken all the room.
    const clientsMax = this.clientsMax + (listener.trusted ? OWNER_CLIENTS_MAX : 0);
    if (this.#closing !== undefined || this.connections.size >= clientsMax) {
      this.counters.connectionsRejected++;
      this.logEvents?.refused(this.connections.size);
      socket.on("error", () => undefined);
      socket.end(encodeReply(new ErrorReply("ERR max number of clients reached"), FORM_RESP2));
      socket.destroySoon();
      return;
    }
    const connection = new Connection(this, socket, ++this.#lastConnectionId, listener);
    this.connections.set(connection.id, connection);
    this.logEvents?.connected(connection);
  }

  async #close(): Promise<void> {
    this.#http?.drains();
    this.options.log?.info({ clients: this.connections.size }, "draining");
    this.compactions.end();
    this.backups.end();
    this.pause.end();
    const stopped = Promise.all([...this.#listeners, this.#ownerListener].map(async (listener) => listener?.close()));
    if (this.connections.size > 0) {
      const emptied = new Promise<void>((resolve) => (this.#emptied = resolve));
      for (const connection of this.connections.values()) connection.end();
      const timer = setTimeout(() => {
        for (const connection of this.connections.values()) connection.destroy();
      }, this.options.drainMs);
      await emptied;
      clearTimeout(timer);
    }
    await stopped;
    clearInterval(this.#clock);
    this.session.observers.delete(this);
    this.keyspaceEvents.end();
    try {
      if (this.options.store === undefined) await this.store.close();
    } finally {
      await this.#http?.close();
    }
    this.options.log?.info({}, "closed");
  }
}
