// Clients that use a server, together and through its crashes, and record what they called, what it replied, and when.
import { setTimeout as sleep } from "node:timers/promises";
import { pick } from "../seed.js";
import type { Action, Operation } from "./linearizability.js";
import { ReplyReader } from "./reply-reader.js";
import { request } from "./serving.js";

const REGISTERS = 6;
const COUNTERS = 2;
const ACCOUNTS = 8;
const BALANCE = 1000;
export const SUM = ACCOUNTS * BALANCE;

const account = (i: number): string => `account:${i}`;
const accounts = Array.from({ length: ACCOUNTS }, (_, i) => account(i));

/** An operation while its life lasts: what is not replied to is over when the server is dead. */
export type Recorded = { -readonly [K in keyof Operation]: Operation[K] };

/** A reply of RESP2 as a value. */
type Decoded = string | null | Decoded[];

const nowNs = (): number => Number(process.hrtime.bigint());

/** The server is gone; the client goes on with the next one. */
class Gone extends Error {}

/** What a test and its clients share. */
export class Recording {
  readonly operations: Recorded[] = [];
  readonly sums: { readonly sum: number; readonly atNs: number }[] = [];
  /** Replies that say that something went wrong. */
  readonly errors: { readonly text: string; readonly atNs: number }[] = [];
  /** The port of the server that lives; undefined while none does. */
  port: number | undefined;
  hasEnded = false;
  #lifeBegins = 0;

  /** The server is dead; what was replied after `goodUntilNs` does not count as replied. */
  endLife(goodUntilNs = Infinity): void {
    const deadNs = nowNs();
    for (const operation of this.operations.slice(this.#lifeBegins)) {
      if (operation.reply !== undefined && operation.returnedNs <= goodUntilNs) continue;
      operation.reply = undefined;
      operation.returnedNs = deadNs;
    }
    this.#lifeBegins = this.operations.length;
  }

  /** The accounts as they are in the beginning; run once, before the clients. */
  static async makeAccounts(port: number): Promise<void> {
    const reader = new ReplyReader(port);
    reader.socket.write(request("MSET", ...accounts.flatMap((key) => [key, String(BALANCE)])));
    if ((await reader.next()) !== "+OK\r\n") throw new Error("the accounts could not be made");
    reader.socket.destroy();
  }
}

export class RecordingClient {
  readonly #recording: Recording;
  readonly #client: number;
  readonly #random: () => number;
  #reader!: ReplyReader;
  #values = 0;

  constructor(recording: Recording, client: number, random: () => number) {
    this.#recording = recording;
    this.#client = client;
    this.#random = random;
  }

  /** Works until the recording has ended, with whatever server there is. */
  async run(): Promise<void> {
    while (!this.#recording.hasEnded) {
      const { port } = this.#recording;
      if (port === undefined) {
        await sleep(5);
        continue;
      }
      this.#reader = new ReplyReader(port);
      try {
        for (;;) await this.#step();
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
      }
      this.#reader.socket.destroy();
      await sleep(5);
    }
  }

  /** Says these commands at once. Their replies, decoded. */
  async #ask(...commands: string[][]): Promise<Decoded[]> {
    this.#reader.socket.write(Buffer.concat(commands.map((words) => request(...words))));
    const replies: Decoded[] = [];
    for (const words of commands) {
      const reply = await this.#reader.next();
      if (reply === "(closed)") throw new Gone();
      if (reply.startsWith("-")) {
        this.#recording.errors.push({ text: `${words.join(" ")}: ${reply}`, atNs: nowNs() });
        throw new Gone();
      }
      replies.push(decoded(reply));
    }
    return replies;
  }

  /** Does what `ask` does, as these actions on these keys; their replies are what `repliesIn` finds in it. */
  async #record(
    actions: [key: string, action: Action][],
    commands: string[][],
    repliesIn: (replies: Decoded[]) => Decoded[],
  ): Promise<Decoded[]> {
    const calledNs = nowNs();
    const recorded = actions.map(([key, action]): Recorded => {
      return { client: this.#client, key, action, calledNs, returnedNs: Infinity, reply: undefined };
    });
    this.#recording.operations.push(...recorded);
    const found = repliesIn(await this.#ask(...commands));
    const returnedNs = nowNs();
    for (const [i, operation] of recorded.entries()) {
      Object.assign(operation, { returnedNs, reply: found[i] as string | null });
    }
    return found;
  }

  #one(key: string, action: Action, ...words: string[]): Promise<Decoded[]> {
    return this.#record([[key, action]], [words], (replies) => replies);
  }

  readonly #key = (): string => `register:${Math.floor(this.#random() * REGISTERS)}`;
  readonly #value = (): string => `${this.#client}.${++this.#values}`;

  #step(): Promise<unknown> {
    if (this.#recording.hasEnded) throw new Gone();
    const [key, value] = [this.#key(), this.#value()];
    const steps: (() => Promise<unknown>)[] = [
      ...Array.from({ length: 5 }, () => () => this.#one(key, { kind: "get" }, "GET", key)),
      ...Array.from({ length: 4 }, () => () => this.#one(key, { kind: "set", value }, "SET", key, value)),
      () => this.#one(key, { kind: "swap", value }, "GETSET", key, value),
      () => this.#one(key, { kind: "swap", value }, "SET", key, value, "GET"),
      () => this.#one(key, { kind: "take" }, "GETDEL", key),
      () => this.#one(key, { kind: "delete" }, "DEL", key),
      () => this.#increment(),
      () => this.#readMany(),
      () => this.#writeMany(value),
      () => this.#exchange(key, value),
      ...Array.from({ length: 2 }, () => () => this.#transfer()),
      () => this.#addUp(),
    ];
    return pick(this.#random, steps)();
  }

  #increment(): Promise<unknown> {
    const key = `counter:${Math.floor(this.#random() * COUNTERS)}`;
    return this.#one(key, { kind: "increment" }, "INCR", key);
  }

  #readMany(): Promise<unknown> {
    const keys = [...new Set([this.#key(), this.#key(), this.#key()])];
    const actions = keys.map((key): [string, Action] => [key, { kind: "get" }]);
    return this.#record(actions, [["MGET", ...keys]], ([values]) => values as Decoded[]);
  }

  #writeMany(value: string): Promise<unknown> {
    const keys = [...new Set([this.#key(), this.#key()])];
    const actions = keys.map((key): [string, Action] => [key, { kind: "swap", value }]);
    const commands = [["MULTI"], ...keys.map((key) => ["GETSET", key, value]), ["EXEC"]];
    return this.#record(actions, commands, (replies) => replies.at(-1) as Decoded[]);
  }

  async #exchange(key: string, value: string): Promise<void> {
    await this.#ask(["WATCH", key]);
    const [expected] = await this.#one(key, { kind: "get" }, "GET", key);
    const action: Action = { kind: "exchange", expected: expected as string | null, value };
    await this.#record([[key, action]], [["MULTI"], ["SET", key, value], ["EXEC"]], (replies) => [
      replies.at(-1) === null ? "refused" : "done",
    ]);
  }

  async #transfer(): Promise<void> {
    const [from, to] = [account(this.#below(ACCOUNTS)), account(this.#below(ACCOUNTS))];
    const amount = String(1 + this.#below(50));
    if (this.#random() < 0.5) {
      await this.#ask(["MULTI"], ["DECRBY", from, amount], ["INCRBY", to, amount], ["EXEC"]);
      return;
    }
    if (from === to) return;
    const [, have] = await this.#ask(["WATCH", from, to], ["MGET", from, to]);
    const [a, b] = (have as string[]).map(Number) as [number, number];
    const sets = [["SET", from, String(a - Number(amount))], ["SET", to, String(b + Number(amount))]]; // prettier-ignore
    await this.#ask(["MULTI"], ...sets, ["EXEC"]);
  }

  async #addUp(): Promise<void> {
    const inMulti = [["MULTI"], ...accounts.map((key) => ["GET", key]), ["EXEC"]];
    const replies = await this.#ask(...(this.#random() < 0.5 ? [["MGET", ...accounts]] : inMulti));
    const sum = (replies.at(-1) as string[]).map(Number).reduce((a, b) => a + b, 0);
    this.#recording.sums.push({ sum, atNs: nowNs() });
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

/** A number is its text. */
function decoded(reply: string): Decoded {
  let at = 0;
  const next = (): Decoded => {
    const end = reply.indexOf("\r\n", at);
    const [type, rest] = [reply[at], reply.slice(at + 1, end)] as const;
    at = end + 2;
    if (type === "*") return rest === "-1" ? null : Array.from({ length: Number(rest) }, next);
    if (type !== "$") return rest;
    if (rest === "-1") return null;
    const text = reply.slice(at, at + Number(rest));
    at += Number(rest) + 2;
    return text;
  };
  return next();
}
