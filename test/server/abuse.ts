// What the abuse tests share: many connections at a time, and how long others wait for their replies meanwhile.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { ReplyReader } from "./reply-reader.js";
import { request } from "./serving.js";

export const MIB = 1024 * 1024;

const program = fileURLToPath(new URL("bystander.mjs", import.meta.url));

/** A sanitizer's shadow memory is no part of what a server may take. */
export const memoryCounts = (process.env.CRABKV_SANITIZER ?? "") === "";

/** How many files a process may have open here, at most. */
export function filesAllowed(): number {
  return Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? 1024);
}

/** A connection that says nothing by itself and takes whatever happens to it. */
export function quietSocket(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

/** Resolves when the connection is over, however it ended; what it is sent until then is thrown away. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.resume().once("close", () => resolve());
  });
}

/** So many connections, made some at a time; closed after the test. */
export async function connectMany(port: number, count: number): Promise<Socket[]> {
  const AT_A_TIME = 200;
  const sockets: Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(AT_A_TIME, count - sockets.length) }, () => quietSocket(port));
    sockets.push(...some);
    await Promise.all(some.map((socket) => once(socket, "connect")));
  }
  return sockets;
}

/** How long replies took, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export const shownLatency = ({ count, p50, p99, max }: Latency): string =>
  `${count} replies, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, at most ${max.toFixed(1)} ms`;

/** bystander.mjs: who behaves while others do not. */
export class Bystander {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  /** `flushed`: somebody will delete all keys meanwhile. */
  constructor(port: number, flushed = false) {
    const words = [program, String(port), ...(flushed ? ["flushed"] : [])];
    this.#child = spawn(process.execPath, words, { stdio: "pipe" });
    this.#child.stderr!.on("data", (text: Buffer) => (this.#errors += text.toString()));
    this.#child.stdin!.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  /** How long its replies took since the last call. Throws when one was not right. */
  async latency(): Promise<Latency> {
    this.#child.stdin!.write("\n");
    const { value, done } = (await this.#lines.next()) as IteratorResult<string, undefined>;
    if (done === true) throw new Error(`the bystander was let down: ${this.#errors}`);
    return JSON.parse(value) as Latency;
  }

  /** Waits until it has been served. */
  async served(): Promise<void> {
    for (let replies = 0; replies < 4; replies += (await this.latency()).count) await sleep(5);
  }

  /** Throws when it had no reply in this time: who is served has hundreds in a second. */
  async latencyFor(ms: number): Promise<Latency> {
    const latency = await this.latencyDuring(() => sleep(ms));
    if (latency.count === 0) throw new Error(`the bystander had no reply in ${ms} ms`);
    return latency;
  }

  /** Short work may be over before anybody can have had a reply. */
  async latencyDuring(work: () => Promise<unknown>): Promise<Latency> {
    // Its process takes longer to start than some work.
    await this.served();
    await work();
    return this.latency();
  }
}

/** A figure of INFO. */
export async function infoOf(port: number, field: string): Promise<number> {
  const reader = new ReplyReader(port);
  reader.socket.write(request("INFO"));
  const reply = await reader.next();
  reader.socket.destroy();
  return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(reply)?.[1]);
}

/** Waits until the server has no clients but so many (the one that asks is one). */
export async function untilClientsAre(port: number, count: number): Promise<void> {
  while ((await infoOf(port, "connected_clients")) > count) await sleep(20);
}
