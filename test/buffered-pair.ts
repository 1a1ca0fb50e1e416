// What the write-back tests share: a buffered handle beside one that sees the log only, and clocks that can be set forward.
import { performance } from "node:perf_hooks";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import type { OpenOptions } from "../src/index.js";
import { openStore, temporaryDirectory } from "./temporary.js";

// So long that no test lives to see it.
export const never = { everyMs: 3_600_000 };

/** What a second handle sees: the log, and nothing buffered. */
export async function pair(options: OpenOptions<"utf8", "utf8"> = {}) {
  const directory = join(temporaryDirectory(), "data");
  const db = await openStore(directory, { sync: "os", writeBack: never, ...options });
  const { shards: _, ...others } = options;
  const log = await openStore(directory, { sync: "os", ...others, writeBack: false, cache: false });
  return { db, log, directory };
}

/** Moves the clocks that buffered puts go by, for the rest of the test. */
export function moveClock(ms: number): void {
  const [now, wall] = [performance.now(), Date.now()];
  vi.spyOn(performance, "now").mockReturnValue(now + ms);
  vi.spyOn(Date, "now").mockReturnValue(wall + ms);
  onTestFinished(() => void vi.restoreAllMocks());
}
