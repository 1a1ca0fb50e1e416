// A process whose disk fails one sync, as strace makes it: `node failed-sync.mjs <directory> <sync as JSON>`. Writes until a sync
// fails, says what became of every write and what the store does then, as one line of JSON on stdout.
import { open } from "crabkv";

const WRITES_MAX = 300_000;
const [directory, sync] = process.argv.slice(2);
const outcome = (promise) =>
  promise.then(
    () => "ok",
    (error) => error.code,
  );

const db = await open(directory, { sync: JSON.parse(sync) });
const acknowledged = [];
const refused = {};
let written = 0;

// Three kinds of write, nearly always in one commit group, and in mode "os", which syncs nothing by itself, a flush behind them.
const flushes = [];
while (db.failure === undefined && written < WRITES_MAX) {
  const round = [
    [`put:${written}`, db.put(`put:${written}`, "value")],
    [`many:${written}`, db.putMany([{ key: `many:${written}`, value: "value" }])],
    [`batch:${written}`, db.batch([{ type: "put", key: `batch:${written}`, value: "value", if: "absent" }])],
  ];
  written += round.length;
  // All at once: a rejection that is looked at late would end the process.
  const results = await Promise.all(round.map(([, promise]) => outcome(promise)));
  for (const [i, [key]] of round.entries()) {
    const result = results[i];
    if (result === "ok") acknowledged.push(key);
    else refused[key] = result;
  }
  if (sync === '"os"') flushes.push(await outcome(db.flush()));
}

const visible = await db.getMany(acknowledged);
const undone = await db.getMany(Object.keys(refused));
const answer = {
  acknowledged,
  refused,
  flushes,
  visible: visible.every((value) => value === "value"),
  undone: undone.every((value) => value === undefined),
  failure: db.failure?.code,
  laterPut: await outcome(db.put("later", "value")),
  laterBatch: await outcome(db.batch([{ type: "put", key: "later", value: "value" }])),
  laterFlush: await outcome(db.flush()),
  laterRead: await db.get("later"),
  close: await outcome(db.close()),
};
console.log(JSON.stringify(answer));
