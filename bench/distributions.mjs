// Which keys a workload asks for: uniform, or zipfian as YCSB has it (a few keys are asked for most of the time). The same
// seed gives the same keys, for every store.
import { mix } from "./data.mjs";

/** YCSB's: the hottest of a million keys is asked for in 7 % of all operations. */
const THETA = 0.99;

/** Numbers from 0 to below 1; another seed gives another sequence. (xorshift32) */
export function randomNumbers(seed) {
  let state = mix(seed + 0x2545f491) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * Ranks from 0 (the most frequent) to below `count`. J. Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases", 1994; what YCSB's ZipfianGenerator does.
 */
export function zipfianRanks(count, random) {
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += 1 / rank ** THETA;
  const alpha = 1 / (1 - THETA);
  const zetaOfTwo = 1 + 0.5 ** THETA;
  const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - zetaOfTwo / zeta);
  return () => {
    const u = random();
    const uz = u * zeta;
    if (uz < 1) return 0;
    if (uz < zetaOfTwo) return Math.min(1, count - 1);
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

/** Indexes below `count`: "uniform", or "zipfian" with the frequent ones spread over all of them. */
export function randomKeys(distribution, count, random) {
  if (distribution === "uniform") return () => Math.floor(random() * count);
  const rank = zipfianRanks(count, random);
  return () => mix(rank() + 1) % count;
}
