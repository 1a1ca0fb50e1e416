// The bytes of a reply in RESP 2 or 3, as the value that they stand for. They are this server's own, so they are well formed.
import { ErrorReply, ManyReplies, PushReply, SetReply, Status, TextReply } from "./replies.js";
import type { Reply } from "./replies.js";

/**
 * The reply in these bytes. Bulk strings are buffers that share the bytes' memory. An array may hold fewer replies than it says, or
 * more behind it: in an EXEC there are commands that are not answered, and such as are answered more than once.
 */
export function decodeReply(bytes: Buffer): Reply {
  const [first, ...behind] = new ReplyDecoder(bytes).all();
  if (Array.isArray(first)) return [...(first as Reply[]), ...behind];
  return first === undefined ? new ManyReplies([]) : first;
}

class ReplyDecoder {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  *all(): Generator<Reply> {
    while (!this.#isAtEnd) yield this.#next();
  }

  get #isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #next(): Reply {
    const type = String.fromCharCode(this.#bytes[this.#at++]!);
    const line = this.#line();
    switch (type) {
      case "+":
        return new Status(line.toString());
      case "-":
        return new ErrorReply(line.toString());
      case ":":
        return integerOf(line.toString("latin1"));
      case "_":
        return null;
      case "$":
        return this.#bulk(Number(line));
      case "=":
        return new TextReply((this.#bulk(Number(line)) ?? "").toString().slice("txt:".length));
      case "*":
        return Number(line) < 0 ? null : this.#many(Number(line));
      case "~":
        return new SetReply(this.#many(Number(line)));
      case ">":
        return new PushReply(this.#many(Number(line)));
      case "%":
        return this.#map(Number(line));
      default:
        throw new Error(`a reply of unknown type ${type}`);
    }
  }

  #line(): Buffer {
    const end = this.#bytes.indexOf("\r\n", this.#at);
    const line = this.#bytes.subarray(this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #bulk(length: number): Buffer | null {
    if (length < 0) return null;
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length + 2;
    return bytes;
  }

  #many(count: number): Reply[] {
    const replies: Reply[] = [];
    while (replies.length < count && !this.#isAtEnd) replies.push(this.#next());
    return replies;
  }

  #map(count: number): ReadonlyMap<string, Reply> {
    const map = new Map<string, Reply>();
    for (let i = 0; i < count; i++) map.set((this.#next() as Buffer).toString(), this.#next());
    return map;
  }
}

function integerOf(digits: string): number | bigint {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}
