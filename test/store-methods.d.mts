import type { PutRecord, Store } from "../src/index.js";

type AnyStore = Store<string, string>;

export interface Method {
  readonly name: string;
  readonly answers: "promise" | "value";
  readonly writes: boolean;
  readonly call: (db: AnyStore, made: unknown) => unknown;
  readonly made?: (db: AnyStore) => unknown;
}

export const records: PutRecord<string, string>[];
export const methods: readonly Method[];
export function madeBy(db: AnyStore): Map<string, unknown>;
export function outcomeOf(method: Method, db: AnyStore, made: unknown): Promise<string>;
export function outcomesOf(db: AnyStore, made: Map<string, unknown>): Promise<Record<string, string>>;
