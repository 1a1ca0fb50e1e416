// Writes for ever, and says each number once it is acknowledged.
import { writeSync } from "node:fs";
import { open } from "../../dist/index.js";

const db = await open(process.argv[2]);
for (let i = 0; ; i++) {
  await db.put(`key:${i}`, "value");
  writeSync(1, `${i}\n`);
}
