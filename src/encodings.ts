// How keys and values become bytes and come back. A codec has one of two forms: what it decodes from is text (so that the
// addon can make the string at once) or bytes.
import { CrabKVError, describe } from "./errors.js";
import type { Bytes } from "./native.js";

/** An encoding of your own. */
export interface Encoding<T> {
  /**
   * Bytes for a value. A string stands for its UTF-8. Where `T` is `Buffer`, a put may hand any `Uint8Array`, as with
   * `"buffer"`.
   */
  encode(value: T): Uint8Array | string;
  /** The value of stored bytes, which are the callee's to keep. */
  decode(bytes: Buffer): T;
}

/**
 * - `"utf8"`: strings. One with a lone surrogate is refused: two different ones would become the same bytes.
 * - `"buffer"`: `Uint8Array` in, `Buffer` out.
 * - `"json"`: whatever `JSON.stringify` takes.
 * - an {@link Encoding}.
 */
// `any`: an encoding is used for both directions, so no other type accepts every Encoding<T>.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type EncodingOption = "utf8" | "buffer" | "json" | Encoding<any>;

/** What an encoding decodes to. */
export type Decoded<E> = E extends "utf8"
  ? string
  : E extends "buffer"
    ? Buffer
    : E extends "json"
      ? // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as JSON.parse
        any
      : E extends Encoding<infer T>
        ? T
        : never;

/** What may be put where `T` comes out: any `Uint8Array` for a `Buffer`. */
export type Accepted<T> = T extends Buffer ? Uint8Array : T;

/** A resolved encoding. `name` is the argument's, for messages. */
export interface Codec {
  /** What decode takes. Text is made by the addon in the call that reads. */
  readonly form: "text" | "bytes";
  /** The stored bytes are the value itself, so a number is stored as people write it. */
  readonly holdsText?: true;
  encode(value: unknown, name: string): Bytes;
  /** A string for the form "text", else a Buffer. */
  decode(stored: string | Buffer): unknown;
}

export const utf8Codec: Codec = {
  form: "text",
  holdsText: true,
  encode(value, name) {
    if (typeof value !== "string") throw new TypeError(`${name} must be a string, not ${describe(value)}`);
    return value;
  },
  decode: (stored) => stored,
};

export const bufferCodec: Codec = {
  form: "bytes",
  holdsText: true,
  encode(value, name) {
    if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array, not ${describe(value)}`);
    return value;
  },
  decode: (stored) => stored,
};

const jsonCodec: Codec = {
  form: "text",
  encode(value, name) {
    // By its type stringify always answers a string; for undefined, functions and symbols it does not.
    let text: unknown;
    try {
      text = JSON.stringify(value);
    } catch (cause) {
      throw new TypeError(`${name} cannot be written as JSON: ${messageOf(cause)}`, { cause });
    }
    if (typeof text !== "string") throw new TypeError(`${name} cannot be written as JSON: it is ${describe(value)}`);
    return text;
  },
  decode(stored) {
    try {
      return JSON.parse(stored as string) as unknown;
    } catch (cause) {
      throw new CrabKVError("CRABKV_ENCODING", `stored bytes are not JSON: ${messageOf(cause)}`, { cause });
    }
  },
};

function customCodec(encoding: Encoding<unknown>): Codec {
  return {
    form: "bytes",
    encode(value, name) {
      const bytes: unknown = encoding.encode(value);
      if (typeof bytes === "string" || bytes instanceof Uint8Array) return bytes;
      throw new TypeError(`the encoding of ${name} must return a string or a Uint8Array, not ${describe(bytes)}`);
    },
    decode: (stored) => encoding.decode(stored as Buffer),
  };
}

/** Throws a TypeError that names the option. */
export function codecOf(option: unknown, name: string): Codec {
  if (option === undefined || option === "utf8") return utf8Codec;
  if (option === "buffer") return bufferCodec;
  if (option === "json") return jsonCodec;
  if (typeof option === "object" && option !== null) {
    const { encode, decode } = option as Partial<Encoding<unknown>>;
    if (typeof encode === "function" && typeof decode === "function") return customCodec(option as Encoding<unknown>);
  }
  throw new TypeError(`${name} must be "utf8", "buffer", "json" or { encode, decode }, not ${describe(option)}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
