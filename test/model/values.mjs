// Values of the model test as both processes know them: made from three small numbers, so that commands stay short in messages
// and in a counterexample, and compared by a digest, so that results do.
import { createHash } from "node:crypto";

// Compresses well, compresses badly, and needs more than one byte a character.
const kinds = [
  () => "abcabc",
  (n) => {
    let text = "";
    for (let state = n + 1; text.length < 100;) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) ^ (state << 7);
      text += (state >>> 0).toString(36);
    }
    return text;
  },
  (n) => `${n}\u{1f980}ü\0`,
];

/** The value [n, length, kind], cut at a whole character. */
export function valueOf([n, length, kind]) {
  const piece = kinds[kind](n);
  const text = (`${n}:` + piece.repeat(Math.ceil(length / piece.length))).slice(0, length);
  return /\p{Surrogate}$/u.test(text) ? text.slice(0, -1) : text;
}

/** What is compared: the value itself when it is short. */
export function digestOf(value) {
  return value.length <= 40 ? value : `${value.length}:${createHash("sha1").update(value).digest("base64")}`;
}
