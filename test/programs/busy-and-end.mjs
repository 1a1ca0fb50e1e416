// busy-and-end.mjs DIRECTORY: fills what the log may have pending, then the write-back buffer until it is CRABKV_BUSY, and ends by itself.
// Prints how many puts were refused, and the keys of those that were acknowledged.
import { open } from "../../dist/index.js";

const small = { pendingBytesMax: 1 << 20, batchBytesMax: 1 << 20, valueBytesMax: 1 << 19 };
const db = await open(process.argv[2], { ...small, writeBack: { bytes: 1 << 16, everyMs: 3_600_000 } });
const acknowledged = [];
let busy = 0;

function note(key, written) {
  written.then(
    () => acknowledged.push(key),
    (error) => {
      if (error.code !== "CRABKV_BUSY") throw error;
      busy++;
    },
  );
}

note("first", db.put("first", "1"));
for (let i = 0; i < 100; i++) note(`row:${i}`, db.putMany([{ key: `row:${i}`, value: "x".repeat(60_000) }]));
for (let i = 0; i < 100; i++) note(`put:${i}`, db.put(`put:${i}`, "y".repeat(2000)));
process.on("exit", () => console.log(JSON.stringify({ busy, acknowledged })));
