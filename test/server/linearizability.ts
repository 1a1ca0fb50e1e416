// Whether what clients saw of a key could have been: is there an order of the operations on it, each at some moment between its
// call and its return, in which a register gives exactly the replies that were given? (Linearizability, Herlihy and Wing 1990; the
// search goes through the calls and returns in order of time and keeps every state that the register can be in, as Lowe's
// "Testing for linearizability" does.) An operation whose reply never came may have happened or not, until the server was dead.

/** A key's value; null where there is none. */
export type State = string | null;

export type Action =
  | { readonly kind: "get" | "delete" | "take" | "increment" }
  | { readonly kind: "set" | "swap"; readonly value: string }
  /** Sets the value if it is the expected one; may refuse at any time. */
  | { readonly kind: "exchange"; readonly expected: State; readonly value: string };

export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly action: Action;
  readonly calledNs: number;
  /** When the reply came; where none did, when the server was dead. */
  readonly returnedNs: number;
  /** Undefined: it is not known whether it happened. */
  readonly reply: string | null | undefined;
}

/** What the register is after the action, and what it answers; undefined where the answer is not the given one. */
function after(state: State, { action, reply: given }: Operation): { readonly state: State } | undefined {
  const check = (reply: State, next: State): { state: State } | undefined =>
    given === undefined || given === reply ? { state: next } : undefined;
  switch (action.kind) {
    case "get":
      return check(state, state);
    case "set":
      return check("OK", action.value);
    case "swap":
      return check(state, action.value);
    case "take":
      return check(state, null);
    case "delete":
      return check(state === null ? "0" : "1", null);
    case "increment": {
      const sum = String(Number(state ?? "0") + 1);
      return check(sum, sum);
    }
    case "exchange":
      if (given === "refused") return { state };
      return state === action.expected ? { state: action.value } : undefined;
  }
}

/** A state that the register can be in, and which of the operations that are under way have happened by then. */
interface Possibility {
  readonly state: State;
  readonly happened: ReadonlySet<number>;
}

const nameOf = ({ state, happened }: Possibility): string =>
  `${state ?? "\0"}|${[...happened].sort((a, b) => a - b).join()}`;

/** Everything that can be once operation `ended` has returned. */
function returned(
  possible: Iterable<Possibility>,
  pending: ReadonlySet<number>,
  ended: number,
  operations: readonly Operation[],
): Possibility[] {
  const found = new Map<string, Possibility>();
  const seen = new Map<string, Possibility>([...possible].map((one) => [nameOf(one), one]));
  for (const one of seen.values()) {
    const happened = one.happened.has(ended);
    if (happened || operations[ended]!.reply === undefined) {
      const rest = { state: one.state, happened: new Set([...one.happened].filter((id) => id !== ended)) };
      found.set(nameOf(rest), rest);
    }
    if (happened) continue;
    for (const id of pending) {
      const next = one.happened.has(id) ? undefined : after(one.state, operations[id]!);
      if (next === undefined) continue;
      const then = { state: next.state, happened: new Set([...one.happened, id]) };
      const name = nameOf(then);
      if (!seen.has(name)) seen.set(name, then); // which the loop comes to
    }
  }
  return [...found.values()];
}

/**
 * The operations on one key, in any order. Undefined when the replies can have been; else the operation whose reply cannot, with
 * what the register may have been then.
 */
export function firstImpossible(
  operations: readonly Operation[],
): { readonly operation: Operation; readonly possible: readonly State[] } | undefined {
  const events = operations.flatMap(({ calledNs, returnedNs }, id) => [
    { id, atNs: calledNs, isCall: true },
    { id, atNs: returnedNs, isCall: false },
  ]);
  // At one moment calls come first: then these operations overlap, and more is possible.
  events.sort((a, b) => a.atNs - b.atNs || Number(b.isCall) - Number(a.isCall));
  const pending = new Set<number>();
  let possible: Possibility[] = [{ state: null, happened: new Set() }];
  for (const { id, isCall } of events) {
    if (isCall) {
      pending.add(id);
      continue;
    }
    const next = returned(possible, pending, id, operations);
    if (next.length === 0)
      return { operation: operations[id]!, possible: [...new Set(possible.map(({ state }) => state))] };
    pending.delete(id);
    possible = next;
  }
  return undefined;
}

/** Checks each key by itself; undefined when all could have been, else what could not, for people. */
export function violationOf(operations: readonly Operation[]): string | undefined {
  const byKey = new Map<string, Operation[]>();
  for (const operation of operations) byKey.set(operation.key, [...(byKey.get(operation.key) ?? []), operation]);
  for (const [key, ofKey] of byKey) {
    const impossible = firstImpossible(ofKey);
    if (impossible === undefined) continue;
    const { operation, possible } = impossible;
    const near = ofKey
      .filter(({ returnedNs }) => returnedNs <= operation.returnedNs)
      .sort((a, b) => a.returnedNs - b.returnedNs);
    const shown = near.slice(-12).map((one) => `  ${JSON.stringify(one)}`);
    return `${key}: ${JSON.stringify(operation)} cannot be, where the value was one of ${JSON.stringify(possible)}\n${shown.join("\n")}`;
  }
  return undefined;
}
