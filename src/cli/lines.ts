// Lines of a stream. Split by hand: node:readline also ends lines at U+2028, which JSON strings may hold, and puts no bound on a
// line.

/** At least: the largest value that is allowed by default fits with every byte escaped as \u00XX. */
export const LINE_BYTES_MAX = 128 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The lines that each piece of input ends. One that is longer than `bytesMax` is the last, and may come without its end. */
export async function* splitLines(
  input: AsyncIterable<Buffer>,
  bytesMax: number,
): AsyncGenerator<Buffer[], void, undefined> {
  let pieces: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of input) {
    const lines: Buffer[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      const rest = chunk.subarray(begin, end);
      lines.push(pieces.length === 0 ? rest : Buffer.concat([...pieces, rest]));
      pieces = [];
      pendingBytes = 0;
      begin = end + 1;
    }
    if (begin < chunk.length) {
      pieces.push(chunk.subarray(begin));
      pendingBytes += chunk.length - begin;
    }
    yield lines;
    // A line of its own, so that parsing it says what is wrong and where.
    if (pendingBytes > bytesMax) return yield [Buffer.concat(pieces)];
  }
  if (pieces.length > 0) yield [Buffer.concat(pieces)];
}
