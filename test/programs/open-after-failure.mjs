// A store whose sync fails (strace makes it), and then another handle on it, with a write-back buffer: `node open-after-failure.mjs
// <directory>`. Says what becomes of a put there.
import { open } from "crabkv";

const [directory] = process.argv.slice(2);
const WRITES_MAX = 10_000;

const failed = await open(directory);
for (let i = 0; failed.failure === undefined && i < WRITES_MAX; i++) {
  await failed.put(`k${i}`, "value").catch(() => undefined);
}
const db = await open(directory, { writeBack: true });
console.log(
  await db.put("k", "value").then(
    () => "acknowledged",
    (error) => error.code,
  ),
);
await Promise.allSettled([db.close(), failed.close()]);
