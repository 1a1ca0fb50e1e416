// Replies of commands that run in TypeScript: values, and their bytes in the form that a connection speaks (the native side
// has its own, native/protocol/reply_writer.h). These commands are rare; what counts here is that it is right.
import { isUtf8 } from "node:buffer";
import { describe } from "../errors.js";

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

/** Bytes that are a complete reply already, or several. */
export class RawReply {
  constructor(readonly bytes: Buffer) {}
}

export type Reply =
  | Status
  | ErrorReply
  | SetReply
  | PushReply
  | TextReply
  | RawReply
  | string
  | Buffer
  | number
  | bigint
  | null
  | readonly Reply[]
  | ReadonlyMap<string, Reply>;

export const OK = new Status("OK");

/** Of what code outside of the server made. Throws a `TypeError` when it is no reply. */
export function checkReply(value: unknown): Reply {
  if (value === null || typeof value === "string" || typeof value === "bigint" || Number.isSafeInteger(value)) {
    return value as Reply;
  }
  const isSimple = [Status, ErrorReply, TextReply, RawReply, Buffer].some((type) => value instanceof type);
  if (isSimple) return value as Reply;
  if (value instanceof SetReply || value instanceof PushReply) value.items.forEach(checkReply);
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

export function encodeReply(reply: Reply, form: ReplyForm): Buffer {
  if (reply instanceof RawReply) return reply.bytes;
  const parts: Buffer[] = [];
  if (form === FORM_TEXT || form === FORM_BARE_TEXT) addText(parts, reply, form);
  else addResp(parts, reply, form);
  return Buffer.concat(parts);
}

const oneLine = (text: string): string => text.replace(/[\r\n]/g, " ");

function addResp(parts: Buffer[], reply: Reply, form: ReplyForm): void {
  const isResp3 = form === FORM_RESP3;
  const line = (text: string): unknown => parts.push(Buffer.from(`${text}\r\n`));
  const bulk = (bytes: Buffer): unknown => parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  const all = (type: string, count: number, items: Iterable<Reply>): void => {
    line(`${type}${count}`);
    for (const item of items) addResp(parts, item, form);
  };
  if (reply === null) line(isResp3 ? "_" : "$-1");
  else if (typeof reply === "number" || typeof reply === "bigint") line(`:${reply}`);
  else if (typeof reply === "string") bulk(Buffer.from(reply));
  else if (Buffer.isBuffer(reply)) bulk(reply);
  else if (reply instanceof Status) line(`+${oneLine(reply.text)}`);
  else if (reply instanceof ErrorReply) line(`-${oneLine(reply.message)}`);
  else if (reply instanceof SetReply) all(isResp3 ? "~" : "*", reply.items.length, reply.items);
  else if (reply instanceof PushReply) all(isResp3 ? ">" : "*", reply.items.length, reply.items);
  else if (reply instanceof RawReply) parts.push(reply.bytes);
  else if (reply instanceof Map) all(isResp3 ? "%" : "*", isResp3 ? reply.size : reply.size * 2, flatten(reply));
  else if (Array.isArray(reply)) all("*", reply.length, reply as Reply[]);
  else if (reply instanceof TextReply) {
    const text = Buffer.from(reply.text);
    if (isResp3) parts.push(Buffer.from(`=${text.length + 4}\r\ntxt:`), text, Buffer.from("\r\n"));
    else bulk(text);
  }
}

function* flatten(map: ReadonlyMap<string, Reply>): Generator<Reply> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
}

/** Text goes out a line a value; arrays say how many lines follow. */
function addText(parts: Buffer[], reply: Reply, form: ReplyForm): void {
  const line = (text: string): unknown => parts.push(Buffer.from(`${text}\n`));
  const word = form === FORM_TEXT ? "VALUE " : "";
  const all = (count: number, items: Iterable<Reply>): void => {
    line(`ARRAY ${count}`);
    for (const item of items) addText(parts, item, form);
  };
  if (reply === null) line(form === FORM_TEXT ? "NOT_FOUND" : "nil");
  else if (typeof reply === "number" || typeof reply === "bigint") line(String(reply));
  else if (typeof reply === "string" || Buffer.isBuffer(reply)) line(`${word}${quoteText(Buffer.from(reply), form)}`);
  else if (reply instanceof Status) line(oneLine(reply.text));
  else if (reply instanceof ErrorReply) line(`ERR ${oneLine(reply.message.replace(/^ERR /, ""))}`);
  else if (reply instanceof SetReply || reply instanceof PushReply) all(reply.items.length, reply.items);
  else if (reply instanceof RawReply) parts.push(reply.bytes);
  else if (reply instanceof Map) all(reply.size * 2, flatten(reply));
  else if (Array.isArray(reply)) all(reply.length, reply as Reply[]);
  else if (reply instanceof TextReply)
    parts.push(Buffer.from(reply.text.endsWith("\n") ? reply.text : `${reply.text}\n`));
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

// What would not show, or turns the direction of a line around: as in native/protocol/text.cc.
// eslint-disable-next-line no-control-regex -- these are meant
const HIDDEN = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]/u;
const REPLY_LIKE = /^(?:nil$|ERR(?: |$))/;
const CHARACTER_BYTES_MAX = 4;

/** Quoted where it is not plain text. */
function quoteText(bytes: Buffer, form: ReplyForm): string {
  const text = bytes.toString();
  const isPlain = isUtf8(bytes) && /^(?![ "])[^]*[^ ]$/.test(text) && !HIDDEN.test(text);
  if (isPlain && !(form === FORM_BARE_TEXT && REPLY_LIKE.test(text))) return text;
  let quoted = "";
  for (const piece of charactersOf(bytes)) quoted += quoteCharacter(piece);
  return `"${quoted}"`;
}

/** Characters, and single bytes where there is none. */
function* charactersOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    let length = 1;
    while (length <= CHARACTER_BYTES_MAX && !isUtf8(bytes.subarray(at, at + length))) length++;
    if (length > CHARACTER_BYTES_MAX) length = 1;
    yield bytes.subarray(at, (at += length));
  }
}

function quoteCharacter(bytes: Buffer): string {
  const text = bytes.toString();
  const escape = escapes.get(text);
  if (escape !== undefined) return escape;
  if (isUtf8(bytes) && !HIDDEN.test(text)) return text;
  return bytes.toString("hex").replace(/../g, "\\x$&");
}
