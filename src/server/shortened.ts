// Words of commands, shortened as Redis does for its SLOWLOG, for those who look at what others do.

/** Bounds on what is shown of a command. */
export interface ShownMax {
  readonly words: number;
  readonly wordBytes: number;
}

export function shortened(words: readonly Buffer[], { words: wordsMax, wordBytes }: ShownMax): readonly Buffer[] {
  const kept = words.length > wordsMax ? words.slice(0, wordsMax - 1) : words;
  const shown = kept.map((word) => shortenedWord(word, wordBytes));
  if (kept.length < words.length) shown.push(Buffer.from(`... (${words.length - kept.length} more arguments)`));
  return shown;
}

function shortenedWord(word: Buffer, bytesMax: number): Buffer {
  if (word.length <= bytesMax) return word;
  const rest = Buffer.from(`... (${word.length - bytesMax} more bytes)`);
  return Buffer.concat([word.subarray(0, bytesMax), rest]);
}
