// The keys and values of every benchmark, the same for every store: key(i) is 16 random characters, distinct for distinct
// i, and the value of key i is one of a pool of random 100-character strings, so that a read can be checked without
// keeping a million values. Strings are flat and one byte a character, as they come from a parser or a socket.
export const KEY_BYTES = 16;
export const VALUE_BYTES = 100;
const POOL_VALUES = 4096;

/** Of every size of values, the pool is at most this large. */
const POOL_BYTES_MAX = 4 << 20;

const ALPHABET = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
const VALUE_BYTES_MAX = 64 << 10;
const scratch = Buffer.alloc(VALUE_BYTES_MAX);

// The finalizer of MurmurHash3: a bijection of 32 bits, so the first six characters of keys are distinct already.
export function mix(number) {
  let h = number | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function randomText(seed, length) {
  let bits = seed;
  for (let at = 0; at < length; at++) {
    // Five characters of 6 bits from each number.
    if (at % 5 === 0) bits = mix(seed + Math.imul(at / 5, 0x9e3779b1));
    scratch[at] = ALPHABET[(bits >>> (6 * (at % 5))) & 63];
  }
  return scratch.latin1Slice(0, length);
}

// 32 bits of the bijection, then ten characters of noise.
export function keyOf(index) {
  const first = mix(index + 1);
  for (let at = 0; at < 6; at++) scratch[at] = ALPHABET[(first >>> (6 * at)) & 63];
  const second = mix(first ^ 0x5bd1e995);
  const third = mix(second + 0x9e3779b9);
  for (let at = 0; at < 5; at++) {
    scratch[6 + at] = ALPHABET[(second >>> (6 * at)) & 63];
    scratch[11 + at] = ALPHABET[(third >>> (6 * at)) & 63];
  }
  return scratch.latin1Slice(0, KEY_BYTES);
}

function makePool(bytes) {
  const length = Math.min(POOL_VALUES, Math.floor(POOL_BYTES_MAX / bytes));
  return Array.from({ length }, (_, at) => randomText(0x1000 + at * 64, bytes));
}

const pools = new Map();
const pool = makePool(VALUE_BYTES);

function poolOf(bytes) {
  if (bytes === VALUE_BYTES) return pool;
  if (!pools.has(bytes)) pools.set(bytes, makePool(bytes));
  return pools.get(bytes);
}

export function valueOf(index, bytes = VALUE_BYTES) {
  const values = poolOf(bytes);
  return values[index % values.length];
}

/** What a read loop adds up for one value, so that no read can be left out, by the reader or by the compiler. */
export const checkOf = (index) => VALUE_BYTES + valueOf(index).charCodeAt(VALUE_BYTES - 1);

/** `count` random indexes below `keys`, uniform, with repetition; another seed gives another sequence. */
export function randomIndexes(count, keys, seed) {
  const indexes = new Uint32Array(count);
  let state = mix(seed + 0x2545f491) | 1;
  for (let at = 0; at < count; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    indexes[at] = Math.floor(((state >>> 0) / 2 ** 32) * keys);
  }
  return indexes;
}

/** Records 0 to count - 1 as two arrays. Key order is random, because keys are. */
export function records(count) {
  const keys = new Array(count);
  const values = new Array(count);
  for (let index = 0; index < count; index++) {
    keys[index] = keyOf(index);
    values[index] = valueOf(index);
  }
  return { keys, values };
}
