// The channel crabkv:commit: what commits did, for whoever asks.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { open } from "../src/index.js";
import type { CommitMessage } from "../src/index.js";
import { native } from "../src/native.js";
import { sessionOf } from "../src/store.js";
import { temporaryDirectory } from "./temporary.js";

test("commits are told while somebody subscribes, and nothing is looked at otherwise", async () => {
  const db = await open(join(temporaryDirectory(), "data"), { sync: "always" });
  onTestFinished(() => db.close());
  const messages: CommitMessage[] = [];
  const listen = (message: unknown): void => void messages.push(message as CommitMessage);
  const stats = vi.spyOn(native, "stats");
  onTestFinished(() => void vi.restoreAllMocks());
  await db.put("before", "v");
  expect(stats).not.toHaveBeenCalled();

  subscribe("crabkv:commit", listen);
  await Promise.all(Array.from({ length: 10 }, (_, i) => db.put(`key:${i}`, "v".repeat(100))));
  await db.put("last", "v");
  unsubscribe("crabkv:commit", listen);
  const asked = stats.mock.calls.length;
  await db.put("after", "v");
  expect(stats).toHaveBeenCalledTimes(asked);

  const sum = (of: (message: CommitMessage) => number): number => messages.reduce((total, one) => total + of(one), 0);
  expect(sum(({ groups }) => groups)).toBeGreaterThanOrEqual(2);
  expect(sum(({ records }) => records)).toBe(11);
  expect(sum(({ bytes }) => bytes)).toBeGreaterThan(1000);
  expect(sum(({ syncs }) => syncs)).toBeGreaterThanOrEqual(2);
  expect(sum(({ syncMs }) => syncMs)).toBeGreaterThan(0);
  expect(messages.at(-1)!.durableVersion).toBeGreaterThan(0);
});

test("a commit is told of also when the log's writer is awake and takes it within the turn that made it", async () => {
  const db = await open(join(temporaryDirectory(), "data"), { sync: "always" });
  onTestFinished(() => db.close());
  let records = 0;
  const listen = (message: unknown): void => void (records += (message as CommitMessage).records);
  subscribe("crabkv:commit", listen);
  onTestFinished(() => void unsubscribe("crabkv:commit", listen));
  const stored = db.put("key", "v");
  native.kick(sessionOf(db).handle);
  for (const untilMs = performance.now() + 50; performance.now() < untilMs;); // the writer is not this thread
  await stored;
  expect(records).toBe(1);
});
