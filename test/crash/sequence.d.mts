// The types of sequence.mjs.
export type SequenceOperation =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly key: string };

export function operationsOf(n: number): SequenceOperation[];
export function numberOf(value: string): number;
export function entriesOf(after: number, last: number): [key: string, value: string][];
