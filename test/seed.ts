// What the randomized tests share: how much to do, and where their randomness comes from. CRABKV_TEST_SEED repeats a run (kills
// and power cuts still fall where the machine's timing lets them); CRABKV_TEST_SCALE multiplies the amounts, so that sanitizer
// builds do less and `npm run test:long` does more.
const scale = Number(process.env.CRABKV_TEST_SCALE ?? "1");

/** An amount of work, scaled, but never less than `least`. */
export function scaled(amount: number, least = 1): number {
  return Math.max(least, Math.round(amount * scale));
}

/** An amount that can also be set by itself, as test/long.mjs does. */
export function amountOf(name: string, amount: number, least = 1): number {
  const given = process.env[name];
  return given === undefined ? scaled(amount, least) : Number(given);
}

/** Milliseconds that a test of a scaled amount may take. */
export function timeoutFor(amount: number, msEach: number): number {
  return 60_000 + amount * msEach;
}

/** The seed of this run; the caller prints it. */
export function testSeed(): number {
  const given = process.env.CRABKV_TEST_SEED;
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the choices. */
export function pick<T>(random: () => number, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)]!;
}
