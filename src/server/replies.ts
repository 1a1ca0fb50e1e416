// Replies of commands that run in TypeScript: values, and their bytes in the form that a connection speaks (the native side
// has its own, native/protocol/reply_writer.h, and makes text of those in RESP3). These commands are rare; what counts here is
// that it is right.
import { describe } from "../errors.js";
import { native } from "../native.js";

/** +text */
export class Status {
  constructor(readonly text: string) {}
}

/** -text, which begins with a code such as ERR. */
export class ErrorReply {
  constructor(readonly message: string) {}
}

/** A set in RESP3, else an array. */
export class SetReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** What a client did not ask for: a push in RESP3, else an array. */
export class PushReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** Text for people: a verbatim string in RESP3, else a bulk string; lines in the text protocol. */
export class TextReply {
  constructor(readonly text: string) {}
}

/** One after the other, of a command that is not answered once: none, too. */
export class ManyReplies {
  constructor(readonly replies: readonly Reply[]) {}
}

export type Reply =
  | Status
  | ErrorReply
  | SetReply
  | PushReply
  | TextReply
  | ManyReplies
  | string
  | Buffer
  | number
  | bigint
  | null
  | readonly Reply[]
  | ReadonlyMap<string, Reply>;

export const OK = new Status("OK");

/** Of an integer on the wire. */
const INTEGER_BITS = 64;

/** Of what code outside of the server made. Throws a `TypeError` when it is no reply. */
export function checkReply(value: unknown): Reply {
  if (value === null || typeof value === "string" || Number.isSafeInteger(value)) return value as Reply;
  if (typeof value === "bigint" && BigInt.asIntN(INTEGER_BITS, value) === value) return value;
  const isSimple = [Status, ErrorReply, TextReply, Buffer].some((type) => value instanceof type);
  if (isSimple) return value as Reply;
  if (value instanceof SetReply || value instanceof PushReply) value.items.forEach(checkReply);
  else if (value instanceof ManyReplies) value.replies.forEach(checkReply);
  else if (value instanceof Map) for (const item of flatten(value as ReadonlyMap<string, Reply>)) checkReply(item);
  else if (Array.isArray(value)) value.forEach(checkReply);
  else throw new TypeError(`a reply cannot be ${describe(value)}`);
  return value as Reply;
}

/** As in native/protocol/reply_writer.h. */
export const FORM_RESP2 = 0 as const;
export const FORM_RESP3 = 1 as const;
export const FORM_TEXT = 2 as const;
export const FORM_BARE_TEXT = 3 as const;
export type ReplyForm = 0 | 1 | 2 | 3;

export const isText = (form: ReplyForm): boolean => form === FORM_TEXT || form === FORM_BARE_TEXT;

const BYTES_BEGIN = 256;

/** Where a reply is put together, as long as it stays within its bound. */
class ReplyBytes {
  readonly #bytesMax: number;
  #bytes = Buffer.allocUnsafe(BYTES_BEGIN);
  #used = 0;
  overflowed = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(part: string | Buffer): void {
    const length = typeof part === "string" ? Buffer.byteLength(part) : part.length;
    this.overflowed ||= this.#used + length > this.#bytesMax;
    if (this.overflowed) return;
    if (length > this.#bytes.length - this.#used) this.#grow(this.#used + length);
    if (typeof part === "string") this.#bytes.write(part, this.#used);
    else part.copy(this.#bytes, this.#used);
    this.#used += length;
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }

  /** In memory of just their size. */
  copy(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#used));
  }
}

/** A reply of more than `bytesMax` becomes an error, and no more than that is put together of it. */
export function encodeReply(reply: Reply, form: ReplyForm, bytesMax = Number.MAX_SAFE_INTEGER): Buffer {
  const parts = new ReplyBytes(bytesMax);
  const asText = isText(form);
  addResp(parts, reply, asText ? FORM_RESP3 : form);
  if (parts.overflowed) return encodeReply(tooLarge(bytesMax), form);
  return asText ? printReplies(parts.copy(), form, bytesMax) : parts.copy();
}

/** The bytes of replies in RESP3, in a form of text. */
export function printReplies(bytes: Buffer, form: ReplyForm, bytesMax: number): Buffer {
  return native.printReplies(bytes, form, bytesMax) ?? encodeReply(tooLarge(bytesMax), form);
}

/** The words of Session::TooLarge. */
export const tooLarge = (bytesMax: number): ErrorReply =>
  new ErrorReply(`ERR the reply, or what the command needs for it, is larger than ${bytesMax} bytes`);

const oneLine = (text: string): string => text.replace(/[\r\n]/g, " ");

function addResp(parts: ReplyBytes, reply: Reply, form: ReplyForm): void {
  const isResp3 = form === FORM_RESP3;
  const line = (text: string): void => parts.add(`${text}\r\n`);
  const bulk = (bytes: Buffer, head = `$${bytes.length}\r\n`): void => {
    parts.add(head);
    parts.add(bytes);
    parts.add("\r\n");
  };
  const all = (type: string, count: number, items: Iterable<Reply>): void => {
    line(`${type}${count}`);
    for (const item of items) {
      if (parts.overflowed) return;
      addResp(parts, item, form);
    }
  };
  if (reply === null) line(isResp3 ? "_" : "$-1");
  else if (typeof reply === "number" || typeof reply === "bigint") line(`:${reply}`);
  else if (typeof reply === "string") bulk(Buffer.from(reply));
  else if (Buffer.isBuffer(reply)) bulk(reply);
  else if (reply instanceof Status) line(`+${oneLine(reply.text)}`);
  else if (reply instanceof ErrorReply) line(`-${oneLine(reply.message)}`);
  else if (reply instanceof SetReply) all(isResp3 ? "~" : "*", reply.items.length, reply.items);
  else if (reply instanceof PushReply) all(isResp3 ? ">" : "*", reply.items.length, reply.items);
  else if (reply instanceof ManyReplies) for (const one of reply.replies) addResp(parts, one, form);
  else if (reply instanceof Map) all(isResp3 ? "%" : "*", isResp3 ? reply.size : reply.size * 2, flatten(reply));
  else if (Array.isArray(reply)) all("*", reply.length, reply as Reply[]);
  else if (reply instanceof TextReply) {
    const text = Buffer.from(reply.text);
    if (isResp3) bulk(text, `=${text.length + 4}\r\ntxt:`);
    else bulk(text);
  }
}

function* flatten(map: ReadonlyMap<string, Reply>): Generator<Reply> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
}
