// The checker of histories finds what is wrong in one, and nothing in those that a register can have given.
import { expect, test } from "vitest";
import { randomOf, testSeed } from "../seed.js";
import { firstImpossible, violationOf } from "./linearizability.js";
import type { Action, Operation } from "./linearizability.js";

const unknown = undefined;

function operation(
  calledNs: number,
  returnedNs: number,
  action: Action,
  reply: string | null | undefined,
  client = 0,
): Operation {
  return { client, key: "k", action, calledNs, returnedNs, reply };
}

const set = (from: number, to: number, value: string): Operation => operation(from, to, { kind: "set", value }, "OK");
/** One whose reply never came. */
const lostSet = (from: number, to: number, value: string): Operation =>
  operation(from, to, { kind: "set", value }, unknown);
const get = (from: number, to: number, reply: string | null): Operation => operation(from, to, { kind: "get" }, reply);

const possible: Record<string, Operation[]> = {
  "a value is read after it was written": [set(0, 1, "a"), get(2, 3, "a")],
  "two writes at a time, read in either order": [set(0, 10, "a"), set(0, 10, "b"), get(11, 12, "a")],
  "a read beside a write sees the old value or the new": [
    set(0, 1, "a"),
    set(2, 9, "b"),
    get(3, 4, "b"),
    get(5, 6, "b"),
  ],
  "a write without a reply happened": [set(0, 1, "a"), lostSet(2, 5, "b"), get(6, 7, "b")],
  "a write without a reply did not happen": [set(0, 1, "a"), lostSet(2, 5, "b"), get(6, 7, "a")],
  "an exchange": [
    set(0, 1, "a"),
    operation(2, 3, { kind: "exchange", expected: "a", value: "b" }, "done"),
    get(4, 5, "b"),
  ],
  "an exchange is refused": [
    set(0, 1, "a"),
    operation(2, 3, { kind: "exchange", expected: "a", value: "b" }, "refused"),
  ],
  numbers: [operation(0, 9, { kind: "increment" }, "2"), operation(0, 9, { kind: "increment" }, "1")],
  "what is taken is gone": [
    set(0, 1, "a"),
    operation(2, 3, { kind: "take" }, "a"),
    operation(4, 5, { kind: "delete" }, "0"),
  ],
};

const impossible: Record<string, Operation[]> = {
  "an acknowledged write is lost": [set(0, 1, "a"), set(2, 3, "b"), get(4, 5, "a")],
  "an acknowledged write is lost by a crash": [set(0, 1, "a"), lostSet(1, 4, "x"), get(5, 6, null)],
  "a value is read that nobody wrote": [set(0, 1, "a"), get(2, 3, "b")],
  "a value is read before it is written": [get(0, 1, "a"), set(2, 3, "a")],
  "what was read is unwritten afterwards": [set(0, 1, "a"), lostSet(2, 9, "b"), get(3, 4, "b"), get(10, 11, "a")],
  "a write without a reply happens after the server was dead": [
    set(0, 1, "a"),
    lostSet(2, 5, "b"),
    get(6, 7, "a"),
    get(8, 9, "b"),
  ],
  "two reads see two writes in two orders": [
    set(0, 20, "a"),
    set(0, 20, "b"),
    get(1, 2, "a"),
    get(3, 4, "b"),
    get(5, 6, "a"),
  ],
  "two increments have the same result": [
    operation(0, 1, { kind: "increment" }, "1"),
    operation(2, 3, { kind: "increment" }, "1"),
  ],
  "two exchanges of one value": ["b", "c"].map((value) =>
    operation(2, 5, { kind: "exchange", expected: null, value }, "done"),
  ),
  "two clients take the same": [
    set(0, 1, "a"),
    operation(2, 5, { kind: "take" }, "a"),
    operation(2, 5, { kind: "take" }, "a"),
  ],
  "a deleted value comes back": [set(0, 1, "a"), operation(2, 3, { kind: "delete" }, "1"), get(4, 5, "a")],
};

test.each(Object.entries(possible))("%s: that can be", (_name, history) => {
  expect(violationOf(history)).toBeUndefined();
});

test.each(Object.entries(impossible))("%s: that cannot be", (_name, history) => {
  expect(violationOf(history)).toMatch(/cannot be/);
});

/** What a true register gives: operations that overlap, each with its effect at one moment. */
function trueHistory(random: () => number, count: number): Operation[] {
  let state: string | null = null;
  return Array.from({ length: count }, (_, i) => {
    const [value, before, at] = [`v${i}`, state, i * 10];
    const [calledNs, returnedNs] = [at - random() * 30, at + random() * 30];
    const isLost = random() < 0.05;
    if (random() < 0.5) return operation(calledNs, returnedNs, { kind: "get" }, isLost ? unknown : before);
    const hasHappened = !isLost || random() < 0.5;
    if (hasHappened) state = value;
    if (random() < 0.5) return operation(calledNs, returnedNs, { kind: "set", value }, isLost ? unknown : "OK");
    return operation(calledNs, returnedNs, { kind: "swap", value }, isLost ? unknown : before);
  });
}

test("what a register gave can be, and no longer when one reply is an older one", () => {
  const seed = testSeed();
  const random = randomOf(seed);
  for (let run = 0; run < 30; run++) {
    const history = trueHistory(random, 300);
    expect(firstImpossible(history), `seed ${seed}, run ${run}`).toBeUndefined();
    // A read that says what was overwritten long before it.
    const reads = history.filter(({ action, reply }, i) => i > 100 && action.kind === "get" && reply !== unknown);
    const chosen = reads[Math.floor(random() * reads.length)]!;
    const old = history.slice(0, 50).find(({ action, reply }) => action.kind === "set" && reply === "OK")!;
    const wrong = history.map((one) =>
      one === chosen ? { ...one, reply: (old.action as { value: string }).value } : one,
    );
    expect(firstImpossible(wrong)?.operation.reply, `seed ${seed}, run ${run}`).toBeDefined();
  }
});
