// Leaves everything open: a store that rebalances, an iterator in the middle, a write stream that was not ended, a read that nobody awaits.
import { open } from "../../dist/index.js";

const db = await open(process.argv[2], { sync: { everyMs: 50 }, rebalance: { everyMs: 100 } });
await db.putMany(Array.from({ length: 10_000 }, (_, i) => ({ key: `key:${i}`, value: "value" })));
await db.entries().next();
db.createWriteStream().write({ key: "streamed", value: "value" });
void db.getMany(["key:1", "key:2"]);
// Long enough for the store to sync and to go idle.
setTimeout(() => console.log("idle"), 200);
