// How long a sync takes in a directory, measured as the log does it: a few KiB into space that is there already, then fdatasync.
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface SyncTime {
  readonly syncs: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

const BLOCK_BYTES = 4096;
const SYNCS_MAX = 50;
/** A slow disk is not measured for longer. */
const MS_MAX = 3_000;

/** Throws what the file system says when nothing can be written there. */
export function measureSync(directory: string): SyncTime {
  const folder = mkdtempSync(join(directory, ".crabkv-doctor-"));
  try {
    const file = openSync(join(folder, "sync"), "w");
    try {
      writeSync(file, Buffer.alloc(SYNCS_MAX * BLOCK_BYTES));
      fsyncSync(file);
      return summaryOf(times(file));
    } finally {
      closeSync(file);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function times(file: number): number[] {
  const block = Buffer.alloc(BLOCK_BYTES, "crabkv ");
  const found: number[] = [];
  const end = performance.now() + MS_MAX;
  while (found.length < SYNCS_MAX && (found.length < 3 || performance.now() < end)) {
    writeSync(file, block, 0, BLOCK_BYTES, found.length * BLOCK_BYTES);
    const begin = performance.now();
    fdatasyncSync(file);
    found.push(performance.now() - begin);
  }
  return found;
}

function summaryOf(found: number[]): SyncTime {
  found.sort((a, b) => a - b);
  return { syncs: found.length, medianMs: found[found.length >> 1]!, minMs: found[0]!, maxMs: found.at(-1)! };
}
