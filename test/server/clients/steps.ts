// The same calls of a client library, made on two servers: what they resolve to, or reject with, has to be the same.
import { expect } from "vitest";
import { respCommands } from "../../../src/server/command-table.js";
import { startRedis } from "../redis-server.js";
import { temporaryServer } from "../serving.js";

/** A call's name and the call. Steps of one list run in turn, on one connection, and see what those before them did. */
export type Step<C> = readonly [label: string, call: (client: C) => unknown];

export interface Outcome {
  readonly label: string;
  readonly value?: unknown;
  readonly error?: string;
}

export async function outcomesOf<C>(client: C, steps: readonly Step<C>[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [label, call] of steps) {
    try {
      outcomes.push({ label, value: await call(client) });
    } catch (error) {
      outcomes.push({ label, error: (error as Error).message });
    }
  }
  return outcomes;
}

/** Runs the steps on redis-server and on ours, each through a client of its own. */
export async function expectSameOutcomes<C>(
  connect: (port: number) => C | Promise<C>,
  steps: readonly Step<C>[],
): Promise<void> {
  const [redisPort, server] = [await startRedis(), await temporaryServer()];
  const theirs = await outcomesOf(await connect(redisPort), steps);
  const ours = await outcomesOf(await connect(server.address.port), steps);
  // One by one: a difference is told with the call's name.
  for (const [i, outcome] of theirs.entries()) expect(ours[i], outcome.label).toEqual(outcome);
}

/** What cannot be one step of many on one connection: these have tests of their own. */
const elsewhere: ReadonlySet<string> = new Set([
  ...["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "publish", "spublish"],
  ...["pubsub", "monitor"],
  // See backups.test.ts: without --backup-dir they are refused.
  ...["save", "bgsave"],
  // No client and no Redis knows them.
  ...["compact", "stats"],
]);

/** Every command of the server is a step: the first word of its label is the command's name. */
export function expectEveryCommand(steps: readonly Step<never>[], except: readonly string[] = []): void {
  const covered = new Set(steps.map(([label]) => label.split(" ")[0]));
  const missing = [...respCommands.keys()].filter((name) => !covered.has(name) && !elsewhere.has(name));
  expect(missing.sort()).toEqual([...except].sort());
}
