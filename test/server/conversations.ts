// Conversations for tests that deliver them in pieces: what is said is all bytes, and the replies depend on nothing but them.
import { request } from "./serving.js";

export interface Conversation {
  readonly name: string;
  readonly said: Buffer;
  /** Whether redis-server has to give the same replies. */
  readonly asRedis: boolean;
}

/** Words as a person writes them; `''` is the empty one. */
const wordsOf = (line: string): string[] => line.split(" ").map((word) => (word === "''" ? "" : word));
export const requestsOf = (lines: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(lines.map((line) => (typeof line === "string" ? request(...wordsOf(line)) : line)));

/** The same for the text protocol. */
export const textOf = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join("\n")}\n`);

const raw = (text: string): Buffer => Buffer.from(text, "latin1");
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const large = Buffer.alloc(300_000, "large value ");

const strings = [
  "SET a 1",
  "GET a",
  "GET none",
  "APPEND a 2",
  "INCR a",
  "STRLEN a",
  "MSET b 2 c ''",
  "MGET a b c none",
];
const errors = [
  "GET",
  "SET a b NOPE",
  "NOPE x",
  "SET a x",
  "INCR a",
  "CLIENT NOPE",
  "CONFIG",
  "SELECT 1",
  "EXEC",
  "EXPIRE a x",
];
const transactions = [
  ...["MULTI", "SET a 1", "INCR a", "CLIENT GETNAME", "MGET a b", "EXEC", "GET a"],
  ...["MULTI", "INCR a", "NOPE", "SET a 5", "EXEC", "GET a", "MULTI", "SET s x", "INCR s", "GET s", "EXEC"],
  ...[
    "MULTI",
    "MULTI",
    "WATCH a",
    "SET a 7",
    "DISCARD",
    "GET a",
    "DISCARD",
    "WATCH a",
    "SET a 8",
    "MULTI",
    "GET a",
    "EXEC",
  ],
  ...[
    "WATCH a b",
    "MULTI",
    "GET a",
    "EXEC",
    "WATCH a",
    "UNWATCH",
    "SET a 9",
    "MULTI",
    "GET a",
    "EXEC",
    "MULTI",
    "EXEC",
  ],
];
const walks = ["SET a 1", "KEYS *", "SCAN 0 COUNT 10", "FLUSHALL", "DBSIZE", "KEYS *", "RANDOMKEY"];
const bits = [
  "SETBIT a 7 1",
  "BITCOUNT a",
  "BITFIELD a SET u8 0 255 OVERFLOW FAIL INCRBY u8 0 1",
  "BITPOS a 0",
  "BITOP NOT b a",
];
const connection = [
  "CLIENT SETNAME me",
  "CLIENT GETNAME",
  "HELLO 2 SETNAME you x",
  "PING",
  "RESET",
  "CLIENT GETNAME",
  "ECHO ''",
];
const muted = [
  "CLIENT REPLY SKIP",
  "PING a",
  "PING b",
  "CLIENT REPLY OFF",
  "SET a 1",
  "NOPE",
  "CLIENT REPLY ON",
  "GET a",
];
const versions = ["HELLO 9", "HELLO x"];

/** The same in RESP3: what HELLO answers is each server's own, so it is left out of the reply. */
const inResp3 = (lines: readonly (string | Buffer)[]): (string | Buffer)[] => [
  "CLIENT REPLY SKIP",
  "HELLO 3",
  ...lines,
];

const respLines: Record<string, readonly (string | Buffer)[]> = {
  strings,
  errors,
  transactions,
  walks,
  bits,
  connection,
  muted,
  "refused versions": versions,
  deadlines: [
    "SET a 1 EX 100000",
    "TTL a",
    "PERSIST a",
    "TTL a",
    "EXPIREAT a 1",
    "GET a",
    "SET a 1 PXAT 4102444800000",
    "PEXPIRETIME a",
  ],
  "every byte": [request("SET", everyByte, everyByte), request("GET", everyByte), request("ECHO", everyByte)],
  "a large value": [request("SET", "large", large), "GET large", "STRLEN large", "GETRANGE large 299990 -1"],
  "a large value in a transaction": [
    "MULTI",
    request("SET", "large", large),
    "GET large",
    "APPEND large x",
    "EXEC",
    "STRLEN large",
  ],
  "many at once": Array.from({ length: 3000 }, (_, i) => `INCR n${i % 7}`),
  "a type that is not there": [
    "SET a 1",
    "TYPE a",
    "TYPE none",
    "OBJECT ENCODING a",
    "OBJECT ENCODING none",
    "COPY a b",
    "RENAME none x",
  ],
};

const protocolErrors: Record<string, Buffer> = {
  "an argument without its sign": raw("*1\r\n:4\r\n"),
  "a length that is none": raw("*x\r\n"),
  "too many arguments": raw("*1048577\r\n"),
  "a negative length": raw("*2\r\n$3\r\nGET\r\n$-5\r\n"),
  "an argument beyond any bound": raw("*1\r\n$99999999999\r\n"),
  "a good request before a bad one": Buffer.concat([
    request("SET", "a", "1"),
    raw("*1\r\n!\r\n"),
    request("SET", "a", "2"),
  ]),
  "requests without words": Buffer.concat([raw("*0\r\n*-1\r\n"), request("PING"), raw("\r\n*0\r\n"), request("PING")]),
  "lines between requests": Buffer.concat([request("SET", "a", "1"), raw("GET a\r\n\r\nPING\r\n"), request("PING")]),
};

const texts: Record<string, string> = {
  "the verbs": "PUT demo value ttl=45\nGET demo\nGET none\nDELETE demo\nDELETE demo\nEX demo\nTTL demo\n",
  "both orders of SETEX": "SETEX s 10 active\nTTL s\nSETEX s active 20\nTTL s\nSETEX n 10 20\nGET n\n",
  quotes: "SET k \"a \\x41\\n\\\"b\\\"\"\r\nGET k\nSET k 'it\\'s'\nGET k\nSET k ''\nGET k\n\n  \nPING\n",
  "what is wrong": 'WHAT\nGET\nINCR\nSET k v\nINCR k\nSET k "open\nPING\n',
  "a transaction":
    "MULTI\nSET a 1\nINCR a\nCLIENT GETNAME\nEXEC\nMULTI\nNOPE\nEXEC\nGET a\nWATCH a\nSET a 2\nMULTI\nEXEC\n",
  "arrays and help": "MSET a 1 b 2\nMGET a b none\nKEYS *\nHELP\nCOMPACT\n",
  "a long value": `SET k ${"x".repeat(60_000)}\nSTRLEN k\nGETRANGE k 0 5\nGET k\n`,
  "then RESP": `SET a 1\n${request("GET", "a").toString("latin1")}GET a\r\n`,
  HTTP: "SET a 1\nGET / HTTP/1.1\r\nHost: x\r\n\r\nSET a 2\n",
  "bytes that are no text": "\xff\xfe\x00 \x01\nGET \x80\nPING\n",
};

export const conversations: readonly Conversation[] = [
  ...Object.entries(respLines).flatMap(([name, lines]) => [
    { name: `RESP2: ${name}`, said: requestsOf(lines), asRedis: true },
    { name: `RESP3: ${name}`, said: requestsOf(inResp3(lines)), asRedis: true },
  ]),
  ...Object.entries(protocolErrors).map(([name, said]) => ({ name: `RESP: ${name}`, said, asRedis: false })),
  ...Object.entries(texts).map(([name, said]) => ({ name: `text: ${name}`, said: raw(said), asRedis: false })),
];
