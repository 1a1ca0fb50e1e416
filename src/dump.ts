// A segment file as text, page by page, without opening its store: so it works beside a running owner and on a store that
// refuses to open. Internal: the CLI's `dump` uses it. Reads the file on the calling thread.
import { CrabKVError } from "./errors.js";
import { native } from "./native.js";

const PAGE_FRAMES = 256;

/**
 * The lines of a segment's header, frames and records.
 *
 * @throws `CRABKV_CORRUPTION` after the lines of everything before the bytes that are wrong; `CRABKV_FORMAT` for a file that is
 * no segment; `CRABKV_IO`.
 */
export function* dumpSegment(path: string): Generator<string, void, undefined> {
  let offset = 0;
  let framesMax = PAGE_FRAMES;
  while (true) {
    let page: { text: string; next: number };
    try {
      page = native.dumpSegment(path, offset, framesMax);
    } catch (error) {
      // A page with a bad frame gives no text at all. One frame a page shows the good ones before it.
      const isBadFrame = error instanceof CrabKVError && error.code === "CRABKV_CORRUPTION";
      if (!isBadFrame || framesMax === 1) throw error;
      framesMax = 1;
      continue;
    }
    yield* page.text.split("\n").slice(0, -1);
    offset = page.next;
    if (offset === 0) return;
  }
}
