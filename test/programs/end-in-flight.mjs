// Ends with puts in flight, as the second argument says: "exit" or "throw", after so many acknowledgements. Says on stdout
// which puts were acknowledged.
import { writeSync } from "node:fs";
import { open } from "../../dist/index.js";

const [directory, how, sync, endAfter] = process.argv.slice(2);
const db = await open(directory, { sync: JSON.parse(sync) });
const acknowledged = [];
process.on("exit", () => writeSync(1, JSON.stringify(acknowledged)));

function end() {
  if (how === "exit") process.exit(7);
  throw new Error("on purpose");
}

// 64 at a time in flight, so that groups are at every stage when it ends.
let next = 0;
async function writeOn() {
  for (;;) {
    const i = next++;
    await db.put(`key:${i}`, `value ${i} ${"x".repeat(i % 500)}`);
    acknowledged.push(i);
    if (acknowledged.length === Number(endAfter)) setImmediate(end);
  }
}
for (let i = 0; i < 64; i++) void writeOn();
if (endAfter === "0") end();
