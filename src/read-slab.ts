// Where Buffers that reads return live: small ones side by side in a slab, as Node pools its own, large ones in memory of
// their own. A Buffer made by native code costs over a microsecond; a view into a slab a tenth of that. What several values
// share cannot be transferred to another thread, as with Node's pool: that would take it from the others, too.
import { markAsUntransferable } from "node:worker_threads";
import { native } from "./native.js";
import type { Bytes, Column, Handle } from "./native.js";

// A Buffer that is kept keeps its slab, so slabs are small, and larger values do not go there.
const SLAB_BYTES = 64 * 1024;
const SLAB_VALUE_BYTES_MAX = 8 * 1024;
// Values of one getMany share memory up to this size; one that is kept keeps the others.
const SHARED_VALUE_BYTES_MAX = 8 * 1024;

let slab = newSlab();
let used = 0;

/** The value of a key; undefined: none; null: it may not be in memory, and `wait` is false. */
export function readBytes(handle: Handle, key: Bytes, wait: boolean): Buffer | undefined | null {
  if (slab.length - used < 1) renewSlab();
  const length = native.getBytes(handle, key, wait, slab, used);
  if (length < 0) return length === -1 ? undefined : null;
  const begin = used;
  if (length <= slab.length - begin) {
    used += length;
    return slab.subarray(begin, begin + length);
  }
  const own = Buffer.allocUnsafeSlow(length);
  native.takeRead(own);
  if (length <= SLAB_VALUE_BYTES_MAX) renewSlab();
  return own;
}

/** The values of many keys; null as above. */
export function readManyBytes(handle: Handle, keys: Column, wait: boolean): (Buffer | undefined)[] | null {
  const lengths = new Int32Array(keys.lengths.length);
  const total = native.getMany(handle, keys.data, keys.lengths, wait, lengths) as number | null;
  if (total === null) return null;
  const all = Buffer.allocUnsafeSlow(total);
  native.takeRead(all);
  if (!lengths.includes(total)) markAsUntransferable(all.buffer); // otherwise one value has it for itself
  // Filled, because a hole is not undefined to map() and forEach().
  const values = new Array<Buffer | undefined>(lengths.length).fill(undefined);
  let begin = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    if (length < 0) continue;
    const value = all.subarray(begin, begin + length);
    values[i] = length > SHARED_VALUE_BYTES_MAX && length < total ? Buffer.from(value) : value;
    begin += length;
  }
  return values;
}

function newSlab(): Buffer {
  // Not from Node's pool, and without zeroing: only what was read is ever seen.
  const made = Buffer.allocUnsafeSlow(SLAB_BYTES);
  markAsUntransferable(made.buffer);
  return made;
}

function renewSlab(): void {
  slab = newSlab();
  used = 0;
}
