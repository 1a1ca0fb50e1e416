// Promises of commit groups, without a store: who shares one, who is told of a failure, and what goes unhandled.
import { expect, test } from "vitest";
import { Commits, Deferred } from "../src/commits.js";
import { unhandledRejections } from "./unhandled-rejections.js";

async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const pending = Symbol("pending");
  const first = await Promise.race([
    promise.catch((error: unknown) => error),
    new Promise((resolve) => setImmediate(resolve, pending)),
  ]);
  return first === pending ? "pending" : first;
}

test("the puts of one group have one promise, other groups have others", () => {
  const commits = new Commits();
  const first = commits.done(1);
  expect(commits.done(1)).toBe(first);
  expect(commits.done(2)).not.toBe(first);
  expect(commits.done(3)).not.toBe(commits.done(2));
});

test("a group has three promises of its own: undefined, true and false", async () => {
  const commits = new Commits();
  const promises = [commits.done(1), commits.doneWith(1, true), commits.doneWith(1, false)];
  expect(new Set(promises).size).toBe(3);
  expect(commits.doneWith(1, true)).toBe(promises[1]);
  expect(commits.doneWith(1, false)).toBe(promises[2]);
  commits.settle(1);
  expect(await Promise.all(promises)).toEqual([undefined, true, false]);
});

test("a watermark settles every group up to it and none above", async () => {
  const commits = new Commits();
  const [a, b, c] = [commits.done(1), commits.doneWith(2, true), commits.own(3, 3, "own")];
  commits.settle(2);
  expect([await outcome(a), await outcome(b), await outcome(c)]).toEqual([undefined, true, "pending"]);
  commits.settle(3);
  expect(await c).toBe("own");
});

test("what had nothing to wait for, or comes after its watermark, is settled at once", async () => {
  const commits = new Commits();
  commits.settle(5);
  expect(await outcome(commits.done(0))).toBeUndefined();
  expect(await outcome(commits.doneWith(0, false))).toBe(false);
  expect(await outcome(commits.doneWith(5, true))).toBe(true);
  expect(await outcome(commits.own(4, 5, "x"))).toBe("x");
});

test("who waits for everything waits for promises of their own, too, and for no failure that was told before", async () => {
  const commits = new Commits();
  const firstLate = commits.late();
  commits.fail(3, 4, new Error("told"));
  const secondLate = commits.late(); // so that the failure is remembered still
  firstLate();
  expect(await outcome(commits.allWaiting())).toBeUndefined();
  const own = commits.own(6, 8, "own");
  const everything = [commits.allWaiting(), commits.allUpTo(8)];
  const error = new Error("disk on fire");
  commits.fail(7, 7, error);
  for (const promise of [own, ...everything]) expect(await outcome(promise)).toBe(error);
  const done = commits.done(2);
  const later = commits.own(9, 9, "own");
  const again = [commits.allWaiting(), commits.allUpTo(9)];
  commits.settle(9);
  for (const promise of [done, later, ...again]) expect(await outcome(promise)).not.toBeInstanceOf(Error);
  secondLate();
});

test("a failure rejects the groups in its range and nothing else", async () => {
  const commits = new Commits();
  const before = commits.done(1);
  const failing = [commits.done(2), commits.doneWith(3, true), commits.own(1, 2, 0), commits.own(3, 9, 0)];
  const after = commits.done(4);
  const error = new Error("disk on fire");
  commits.fail(2, 3, error);
  for (const promise of failing) await expect(promise).rejects.toBe(error);
  expect(await outcome(before)).toBe("pending");
  expect(await outcome(after)).toBe("pending");
  // Watermarks that pass a failed group later change nothing for it.
  commits.settle(4);
  expect(await outcome(before)).toBeUndefined();
  expect(await outcome(after)).toBeUndefined();
});

test("a write whose group becomes known late learns of a failure that came before", async () => {
  const commits = new Commits();
  const error = new Error("disk on fire");
  const arrived = commits.late();
  commits.fail(7, 7, error);
  commits.settle(8);
  await expect(commits.own(7, 7, "x")).rejects.toBe(error);
  expect(await outcome(commits.own(8, 8, "x"))).toBe("x");
  arrived();
});

test("drained waits for groups, promises of one's own, and late writes", async () => {
  const commits = new Commits();
  expect(await outcome(commits.drained())).toBeUndefined();
  void commits.done(1);
  const arrived = commits.late();
  const own = commits.own(2, 2, 0);
  const drained = commits.drained();
  commits.settle(1);
  expect(await outcome(drained)).toBe("pending");
  own.catch(() => undefined);
  commits.fail(2, 2, new Error("x"));
  expect(await outcome(drained)).toBe("pending");
  arrived();
  expect(await outcome(drained)).toBeUndefined();
});

test("a failed group whose puts nobody awaited is one unhandled rejection; one handler is enough", async () => {
  const unhandled = unhandledRejections();
  const commits = new Commits();
  const [ignored, handled] = [new Error("ignored"), new Error("handled")];
  for (let i = 0; i < 100; i++) void commits.done(1);
  commits.fail(1, 1, ignored);
  for (let i = 0; i < 100; i++) void commits.done(2);
  const one = commits.done(2).catch(() => "handled");
  commits.fail(2, 2, handled);
  expect(await one).toBe("handled");
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([ignored]);
});

test("a failed group of which nobody awaited a put is one unhandled rejection, also where its puts came in rows", async () => {
  const unhandled = unhandledRejections();
  const commits = new Commits();
  const [nobody, lastRow, single] = [
    new Error("nobody awaited"),
    new Error("row awaited"),
    new Error("single awaited"),
  ];
  const rows = Array.from({ length: 7 }, () => new Deferred<undefined>());
  void commits.done(1);
  commits.settleWith(1, rows[0]!);
  commits.settleWith(1, rows[1]!);
  commits.fail(1, 1, nobody);
  void commits.done(2);
  commits.settleWith(2, rows[2]!);
  commits.settleWith(2, rows[3]!);
  const newest = outcome(rows[3]!.promise);
  commits.fail(2, 2, lastRow);
  commits.settleWith(3, rows[4]!);
  const done = outcome(commits.done(3));
  commits.fail(3, 3, single);
  expect([await newest, await done]).toEqual([lastRow, single]);
  // Whoever does await one that is not the newest is told all the same.
  expect([await outcome(rows[0]!.promise), await outcome(rows[4]!.promise)]).toEqual([nobody, single]);
  commits.settleWith(4, rows[5]!);
  commits.settle(4);
  commits.settleWith(4, rows[6]!);
  expect([await outcome(rows[5]!.promise), await outcome(rows[6]!.promise)]).toEqual([undefined, undefined]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([nobody]);
});
