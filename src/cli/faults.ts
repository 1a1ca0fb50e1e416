// How the faults of a store are shown, for people and for programs.
import type { Fault, VerifyReport } from "../native.js";
import { formatCount, printLine, say } from "./output.js";
import { fieldsOf, textOf } from "./records.js";

export function faultForJson(fault: Fault): object {
  return { ...fault, keys: fault.keys.map((key) => fieldsOf("key", key)) };
}

/** `noteOf`: what there is to say of a fault's n-th key. */
export function printFaults<F extends Fault>(
  { faults, faultCount }: { readonly faults: readonly F[]; readonly faultCount: number },
  noteOf: (fault: F, n: number) => string = () => "",
): void {
  for (const fault of faults) {
    printLine(`${fault.file} at offset ${fault.offset}: ${fault.what}`);
    for (const [n, key] of fault.keys.entries()) printLine(`  key ${shown(key)}${noteOf(fault, n)}`);
    const more = fault.keyCount - fault.keys.length;
    if (more > 0) printLine(`  and ${formatCount(more)} more keys`);
  }
  if (faultCount > faults.length) printLine(`and ${formatCount(faultCount - faults.length)} more`);
}

export function sayUnfinished({ unfinished }: VerifyReport): void {
  if (unfinished === undefined) return;
  say(`${unfinished.file} at offset ${unfinished.offset}: an unfinished write, which opening cuts off; no fault`);
}

function shown(key: Uint8Array): string {
  const text = textOf(key);
  return text === undefined ? `base64 ${Buffer.from(key).toString("base64")}` : JSON.stringify(text);
}
