// The process that measures one store once. Takes a task as JSON in its only argument, and sends
// { operations, ms, figure, options, version, note, latencyMs, measures, series } to the process that started it: `figure` is
// instead of the rate, `latencyMs` has percentiles, `measures` what else was measured, for people, and `series` a course over time.
import { versionOf } from "./peers.mjs";
import { workloads } from "./workloads.mjs";

const task = JSON.parse(process.argv[2]);
const store = await import(`./stores/${task.store}.mjs`);
const options = { ...store.optionsOf(task), ...task.options };
const db = await store.open(task.path, options);
const measured = await workloads[task.workload](store, db, { ...task, options });
await store.close(db);
const result = { ...measured, options, version: versionOf(task.store) };
if (process.send === undefined) console.log(JSON.stringify(result));
else process.send(result);
