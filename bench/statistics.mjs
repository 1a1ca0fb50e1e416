// Medians, spreads and ratios.

// A spread wider than this part of the median is warned about.
const WIDE = 0.3;

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Percentiles of latencies, which it sorts. */
export function percentilesOf(latenciesMs) {
  const sorted = latenciesMs.sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: sorted.at(-1) };
}

/** Of each percentile the median of the repetitions; undefined where the workload measures none. */
export function summarizeLatencies(repetitions) {
  const measured = repetitions.filter((latency) => latency !== undefined);
  if (measured.length === 0) return undefined;
  const keys = Object.keys(measured[0]);
  return Object.fromEntries(keys.map((key) => [key, median(measured.map((latency) => latency[key]))]));
}

/** Of a side's rates, one for each repetition. */
export function summarize(rates) {
  const summary = { median: median(rates), min: Math.min(...rates), max: Math.max(...rates), rates };
  return { ...summary, wide: (summary.max - summary.min) / summary.median > WIDE };
}

/** Which of two medians is the better one in this row. */
export const better = (row, a, b) => (row.unit === "ms" ? a < b : a > b);

/**
 * The row's comparisons: of each peer the variant with the best median, the ratio of the medians, and the range of the
 * ratios of single repetitions, which ran one after the other and so had the same conditions. None with what has no summary.
 */
export function compare(row, summaries) {
  const ours = summaries.get(row.ours);
  if (ours === undefined) return [];
  return row.peers.flatMap(({ atLeast, atMost, variants }) => {
    const measured = variants.filter((side) => summaries.has(side));
    if (measured.length === 0) return [];
    const best = measured.reduce((a, b) => (better(row, summaries.get(b).median, summaries.get(a).median) ? b : a));
    const theirs = summaries.get(best);
    const ratio = ours.median / theirs.median;
    const single = ours.rates.map((rate, at) => rate / theirs.rates[at]);
    return {
      peer: best,
      ratio,
      min: Math.min(...single),
      max: Math.max(...single),
      atLeast,
      atMost,
      reached: atMost === undefined ? ratio >= (atLeast ?? 0) : ratio <= atMost,
    };
  });
}
