// Workloads of servers: redis-benchmark, or a driver of our own, against whichever it is. `load` of the row says the test, the connections and
// the pipeline, or the rate.
import { VALUE_BYTES } from "./data.mjs";
import { drive } from "./load-driver.mjs";
import { protocols } from "./protocols.mjs";
import { benchmark, fill, keysIn } from "./server-process.mjs";
import { percentilesOf } from "./statistics.mjs";

// Of requests, so that a run takes about `seconds` or longer, whoever is faster; by what the faster side reaches on two cores. A shorter one
// would end before CrabKV compacts, and before Redis rewrites its AOF.
const RATE_BY_PIPELINE = { 1: 80_000, 16: 800_000, 64: 1_200_000 };
const RATE_OF_SYNCS = 0.3;

const requestsOf = ({ load, durability, seconds }) =>
  Math.round(RATE_BY_PIPELINE[load.pipeline] * (durability === "power" ? RATE_OF_SYNCS : 1) * seconds);

const latencyText = ({ latencyMs: { p50, p99, max } }) => `p50 ${p50} ms, p99 ${p99} ms, at most ${max} ms`;

async function checkKeys(port, atLeast) {
  const keys = await keysIn(port);
  if (!(keys >= atLeast)) throw new Error(`the server has ${keys} keys, not ${atLeast}`);
}

/** SET or GET of random keys; a GET finds what it asks for. */
async function serve(_, { port }, task) {
  const { load, count } = task;
  const settings = { ...load, keys: count, valueBytes: VALUE_BYTES };
  if (load.test === "get") await fill(port, count, VALUE_BYTES);
  await benchmark(port, { ...settings, requests: Math.round(requestsOf(task) / 4) }); // its code is compiled then
  const result = await benchmark(port, { ...settings, requests: requestsOf(task) });
  await checkKeys(port, load.test === "get" ? count : 1000);
  return { figure: result.rate, latencyMs: result.latencyMs };
}

/** Four GETs to a SET, each from its share of the connections; until both are through. */
async function serveMixed(_, { port }, task) {
  const { load, count } = task;
  await fill(port, count, VALUE_BYTES);
  const share = (test, part) => ({
    ...{ test, pipeline: load.pipeline, keys: count, valueBytes: VALUE_BYTES },
    connections: load.connections * part,
    requests: Math.round(requestsOf(task) * part),
  });
  const shares = [share("get", 0.8), share("set", 0.2)];
  const results = await Promise.all(shares.map((one) => benchmark(port, one)));
  const seconds = Math.max(...results.map(({ rate }, i) => shares[i].requests / rate));
  await checkKeys(port, count);
  const note = results.map((result, i) => `${shares[i].test}: ${latencyText(result)}`).join("; ");
  return { figure: requestsOf(task) / seconds, note };
}

/** Requests due at a steady rate; the figure is the 99th percentile of their latencies, each from when it was due. */
async function serveSteadily({ protocol = "resp" }, { port }, { load, count, seconds }) {
  await fill(port, count, VALUE_BYTES, protocols[protocol]);
  const settings = { ...load, protocol, keys: count, valueBytes: VALUE_BYTES };
  await drive(port, { ...settings, seconds: seconds / 2 }); // its code is compiled then, and ours
  const { latenciesMs, lateMs, ms } = await drive(port, { ...settings, seconds });
  const latencyMs = percentilesOf(latenciesMs);
  const late = percentilesOf(lateMs);
  const measures = {
    "answered a second": Math.round((latenciesMs.length / ms) * 1000).toLocaleString("en-US"),
    "of it the driver's own delay, p99": `${late.p99.toFixed(2)} ms`,
    "the same, at most": `${late.max.toFixed(2)} ms`,
  };
  return { operations: latenciesMs.length, ms, figure: latencyMs.p99, latencyMs, measures };
}

export const serverWorkloads = { serve, serveMixed, serveSteadily };
