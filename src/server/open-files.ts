// How many files, and so connections, this process may have open.
import { readFileSync } from "node:fs";

/** The process's limit; Infinity where the system does not tell. Node has raised it as far as it may. */
export function openFilesMax(): number {
  try {
    const found = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
    return found === null ? Infinity : Number(found[1]);
  } catch {
    return Infinity;
  }
}
