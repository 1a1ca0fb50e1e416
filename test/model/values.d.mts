// The types of values.mjs.
export type ValueSpec = readonly [n: number, length: number, kind: number];
export function valueOf(spec: ValueSpec): string;
export function digestOf(value: string): string;
