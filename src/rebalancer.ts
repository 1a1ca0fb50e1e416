// Rebalancing: looks at the slots' loads every so often and has the core move what the policy says. Several handles and threads
// may each have one: they see the same loads, and of two that want the same slot moved the core lets one. Its timer does not
// keep the process alive.
import { native } from "./native.js";
import type { Handle } from "./native.js";
import { planMoves } from "./rebalance-policy.js";
import type { MoveRules, SlotMove } from "./rebalance-policy.js";
import { reportSlots } from "./slot-loads.js";

export interface RebalanceRules extends MoveRules {
  readonly everyMs: number;
}

export class Rebalancer {
  readonly #session: { readonly handle: Handle };
  readonly #shards: number;
  readonly #rules: RebalanceRules;
  readonly #onMoved: (moves: readonly SlotMove[]) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(
    session: { readonly handle: Handle },
    shards: number,
    rules: RebalanceRules,
    onMoved: (moves: readonly SlotMove[]) => void,
  ) {
    this.#session = session;
    this.#shards = shards;
    this.#rules = rules;
    this.#onMoved = onMoved;
    this.#timer = setInterval(this.#round, rules.everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  readonly #round = (): void => {
    const { handle } = this.#session;
    const moves = planMoves(reportSlots(handle), this.#shards, this.#rules).filter(({ slot, from, to }) =>
      native.moveSlot(handle, slot, from, to),
    );
    if (moves.length > 0) this.#onMoved(moves);
  };
}
