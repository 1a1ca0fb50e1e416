// The process that measures one store once. Takes a task as JSON in its only argument, and sends
// { operations, ms, figure, options, version, note, latencyMs, measures, series } to the process that started it: `figure` is
// instead of the rate, `latencyMs` has percentiles, `measures` what else was measured, for people, and `series` a course over time.
// When something goes wrong it sends { failed }, which says what.
import { versionOf } from "./peers.mjs";
import { workloads } from "./workloads.mjs";

let hasFailed = false;

/** Says the first thing that went wrong; thousands of puts may fail after it. */
function fail(error) {
  if (hasFailed) return;
  hasFailed = true;
  console.error(error);
  const failed = String(error?.message ?? error).split("\n")[0];
  if (process.send === undefined) process.exit(1);
  process.send({ failed }, () => process.exit(1));
}
// Also what nobody awaits, and what threads and sockets throw.
process.on("uncaughtException", fail);

async function measure(task) {
  const store = await import(`./stores/${task.store}.mjs`);
  const options = { ...store.optionsOf(task), ...task.options };
  const db = await store.open(task.path, options);
  const measured = await workloads[task.workload](store, db, { ...task, options });
  await store.close(db);
  return { ...measured, options, version: versionOf(task.store) };
}

try {
  const result = await measure(JSON.parse(process.argv[2]));
  if (process.send === undefined) console.log(JSON.stringify(result));
  else process.send(result);
} catch (error) {
  // It may be that a write failed which nobody awaited, and this is what came of it: that is told first.
  setImmediate(fail, error);
}
