// A store whose sync fails (strace makes it), and then every method of it: `node after-failure.mjs <directory> <writeBack as JSON>`.
// Says what became of each, as one line of JSON.
import { open } from "crabkv";
import { madeBy, outcomesOf, records } from "../store-methods.mjs";

const [directory, writeBack] = process.argv.slice(2);
const WRITES_MAX = 10_000;

const db = await open(directory, { writeBack: JSON.parse(writeBack) });
await db.putMany(records);
const made = madeBy(db);
for (let i = 0; db.failure === undefined && i < WRITES_MAX; i++) {
  await db.put(`k${i}`, "value", { sync: "always" }).catch(() => undefined);
}
// Until this thread has heard of it too.
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify(await outcomesOf(db, made)));
