// Writes the seeds of the fuzzers, test/fuzz/corpus, from real stores and conversations: run after a change of the format.
// The forms are those that the fuzzers say they take.
//
//   npm run build && node test/fuzz/make-corpus.mjs
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "crabkv";

const corpus = join(dirname(fileURLToPath(import.meta.url)), "corpus");
const folder = mkdtempSync(join(tmpdir(), "crabkv-corpus-"));
const kinds = { MANIFEST: 0, log: 1, seg: 2, "log.hint": 3, "seg.hint": 4 };
const MENDED = 1;
const AS_IT_IS = 0;
const HINTED_BYTES = 17_000;
const SALT_AT = 48;
const FIRST_RECORD_AT = 128 + 56 + 24 + 56;

function save(fuzzer, name, ...parts) {
  mkdirSync(join(corpus, fuzzer), { recursive: true });
  writeFileSync(join(corpus, fuzzer, name), Buffer.concat(parts.map((part) => Buffer.from(part))));
}

// What was made ahead at the end of a file says nothing.
function contentOf(path) {
  const bytes = readFileSync(path);
  let end = bytes.length;
  if (!path.endsWith(".hint")) while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, Math.ceil(end / 8) * 8);
}

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function saveStore(name, directory) {
  const parts = [];
  for (const file of readdirSync(directory)) {
    const [, digits, extension] = /^(\d+)\.((?:log|seg)(?:\.hint)?)$/.exec(file) ?? [];
    const kind = extension ?? file;
    if (kinds[kind] === undefined) continue;
    const content = contentOf(join(directory, file));
    if (kind === "MANIFEST") save("manifest", name, [MENDED], content);
    else if (kind.endsWith(".hint")) save("hint", `${name}-${file}`, [MENDED], content);
    else save("frame", `${name}-${file}`, [MENDED], content);
    if (kind === "log" && content.length > FIRST_RECORD_AT) {
      save("record", `${name}-${file}`, content.subarray(SALT_AT, SALT_AT + 4), content.subarray(FIRST_RECORD_AT));
    }
    parts.push(Buffer.from([kinds[kind], Number(digits ?? 0)]), number(content.length), content);
  }
  save("directory", `${name}-mended`, [MENDED], ...parts);
  save("directory", name, [AS_IT_IS], ...parts);
}

function copyOf(directory) {
  const copy = mkdtempSync(join(folder, "copy-"));
  for (const file of readdirSync(directory)) {
    if (file !== "LOCK" && file !== "RESERVE") copyFileSync(join(directory, file), join(copy, file));
  }
  return copy;
}

async function makeStores() {
  const directory = join(folder, "store");
  const options = { sync: "always", segmentBytes: 64 * 1024, compression: "snappy", compaction: { auto: false } };
  const db = await open(directory, options);
  await db.put("a", "one");
  await db.batch([
    { type: "put", key: "b", value: "two ".repeat(40), ttlMs: 1e9 },
    { type: "put", key: "", value: "" },
    { type: "delete", key: "a" },
  ]);
  await db.expire("b", 2e9);
  saveStore("open", copyOf(directory));
  await db.close();
  saveStore("closed", directory);
  let again = await open(directory, { ...options, compression: "none" });
  await fillSegment(again);
  await again.put("bulk", "small");
  await again.delete("b");
  await again.compact();
  await again.put("c", "three");
  saveStore("compacted-open", copyOf(directory));
  await again.close();
  saveStore("compacted", directory);
  // Shorter segments get no hint.
  again = await open(directory, { ...options, compression: "none" });
  await again.put("large", "x".repeat(HINTED_BYTES));
  await fillSegment(again);
  await again.delete("bulk");
  await again.compact();
  await again.close();
  saveStore("hinted", directory);
}

// A segment's worth, of which one value is left.
async function fillSegment(db) {
  for (let i = 0; i < 70; i++) await db.put("bulk", String(i).repeat(500));
}

const resp = (...words) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

const conversations = {
  strings: [
    ["SET", "k", "v", "EX", "10"],
    ["GET", "k"],
    ["APPEND", "k", "w"],
    ["GETRANGE", "k", "0", "-1"],
    ["SETRANGE", "k", "3", "x"],
  ],
  numbers: [
    ["INCR", "n"],
    ["INCRBYFLOAT", "n", "1.5"],
    ["DECRBY", "n", "9"],
    ["MSET", "a", "1", "b", "2"],
    ["MGET", "a", "b", "none"],
  ],
  bits: [
    ["SETBIT", "k", "7", "1"],
    ["BITCOUNT", "k"],
    ["BITFIELD", "k", "SET", "u8", "0", "255"],
    ["BITOP", "NOT", "d", "k"],
    ["BITPOS", "k", "1"],
  ],
  keys: [
    ["SET", "k", "v"],
    ["EXPIRE", "k", "5"],
    ["TTL", "k"],
    ["RENAME", "k", "l"],
    ["SCAN", "0", "MATCH", "*", "COUNT", "5"],
    ["KEYS", "*"],
    ["COPY", "l", "m"],
  ],
  multi: [["WATCH", "k"], ["MULTI"], ["SET", "k", "v"], ["INCR", "k"], ["EXEC"], ["MULTI"], ["DISCARD"]],
  hello: [
    ["HELLO", "3"],
    ["PING"],
    ["ECHO", "x"],
    ["COMMAND", "COUNT"],
    ["OBJECT", "ENCODING", "k"],
    ["CLIENT", "ID"],
    ["RESET"],
    ["QUIT"],
  ],
};

const lines = {
  puts: 'PUT demo value ttl=45\nGET demo\nSET user:1 "based rust dev"\nGET user:1\nDELETE demo\n',
  expiry: "SETEX session 10 active\nEXPIRE session 60\nTTL session\nDEL session\nEX session\nCOMPACT\nHELP\n",
  quoting: 'PUT k "a\\nOK\\r\\x00\\xff"\nGET k\nPUT k \'"quoted"\'\r\nPUT k "unclosed\nPING\n',
  strange: "\n\r\n  \nPING\nBOGUS x\nGET\nGET / HTTP/1.1\r\nHost: x\r\n",
};

try {
  await makeStores();
  for (const [name, requests] of Object.entries(conversations)) {
    const bytes = requests.map((words) => resp(...words)).join("");
    save("parser", name, bytes);
    save("resp", name, [16], bytes);
  }
  for (const [name, bytes] of Object.entries(lines)) {
    save("parser", `line-${name}`, bytes);
    save("text", name, [16], bytes);
    save("resp", `line-${name}`, [255], bytes);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
