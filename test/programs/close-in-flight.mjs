// close() while writes of all kinds are in flight: each is acknowledged or refused, none is left unsettled.
import { open } from "../../dist/index.js";

const [directory, sync] = process.argv.slice(2);
const db = await open(directory, { sync: JSON.parse(sync) });
const writes = [];
for (let i = 0; i < 3000; i++) writes.push(db.put(`key:${i}`, "value"));
writes.push(db.putMany([{ key: "many", value: "value" }]));
writes.push(db.delete("key:0"));
writes.push(db.batch([{ type: "put", key: "guarded", value: "value", if: "absent" }]));
writes.push(db.put("durable", "value", { sync: "always" }));
writes.push(db.flush());
const closing = db.close();
writes.push(db.put("late", "value"));
const settled = await Promise.allSettled(writes);
await closing;
const refused = settled.filter(({ status }) => status === "rejected").map(({ reason }) => reason.code);
console.log(JSON.stringify({ acknowledged: settled.length - refused.length, refused }));
