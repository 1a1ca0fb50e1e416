// Puts into the write-back buffer, which nothing flushes soon, and ends: by itself or by process.exit().
import { open } from "../../dist/index.js";

const [directory, end] = process.argv.slice(2);
const db = await open(directory, { writeBack: { everyMs: 3_600_000 } });
await db.put(end, "value");
if (end === "exit") process.exit();
