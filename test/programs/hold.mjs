// Opens a store and keeps it until stdin ends, or says why it cannot.
import { open } from "../../dist/index.js";

try {
  const db = await open(process.argv[2]);
  await db.put(`owner:${process.pid}`, "value");
  console.log(JSON.stringify({ pid: process.pid }));
  process.stdin.resume().on("end", () => void db.close());
} catch ({ code, message }) {
  console.log(JSON.stringify({ code, message }));
  process.exitCode = 3;
}
