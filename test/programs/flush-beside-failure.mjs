// flush-beside-failure.mjs DISK: a write that no longer fits fails while a flush waits for what came before it. The flush alone keeps the
// program running.
import { appendFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "../../dist/index.js";

const [disk] = process.argv.slice(2);
const filler = join(disk, "filler");

function fill(leftBytes) {
  writeFileSync(filler, "");
  for (;;) {
    const { bavail, bsize } = statfsSync(disk);
    const free = bavail * bsize - leftBytes;
    if (free <= 0) return;
    try {
      appendFileSync(filler, Buffer.alloc(Math.min(free, 4096)));
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    }
  }
}

let rounds = 0;
for (; rounds < 20; rounds++) {
  const path = join(disk, "data");
  rmSync(path, { recursive: true, force: true });
  const db = await open(path, { sync: "os" });
  await db.put("small", "s");
  fill(50 * 1024);
  db.put("large", "x".repeat(200_000)).catch(() => undefined);
  await Promise.resolve(); // the writer is told
  const busyUntil = performance.now() + 5;
  while (performance.now() < busyUntil);
  await db.flush().catch(() => undefined);
  rmSync(filler);
  await db.close();
}
console.log(`${rounds} rounds`);
