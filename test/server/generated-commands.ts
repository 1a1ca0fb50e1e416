// Commands for the comparison with redis-server: each family with arguments that hit its corners.

/** A number from 0 up to, not including, `limit`. */
export type Random = (limit: number) => number;

const KEYS = 16;
const integers = [
  "0",
  "1",
  "-1",
  "7",
  "100",
  "-100",
  "9223372036854775807",
  "-9223372036854775808",
  "4611686018427387904",
];
const notIntegers = ["", " 1", "1 ", "01", "-0", "+1", "1.5", "abc", "9223372036854775808", "0x10", "1e3"];
const floats = ["0.1", "-2.5", "3.0e3", "1e400", "nan", "inf", "0", "10.50", "-inf"];
const values = ["", "x", "hello world", "\r\n", "\0\u0001", "ä", "a".repeat(100), "10", "-5", "3.25"];
// Deadlines are far away or past: what expires meanwhile would depend on two clocks.
const seconds = ["100000", "200000", "0", "-1", "9223372036854775807", "9223372036854776", "-9223372036854775808"];
const moments = ["4102444800", "5000000000", "1", "0", "-5", "9223372036854775807"];
const momentsMs = ["4102444800000", "5000000000000", "1", "0", "-5", "9223372036854775807"];
const offsets = ["0", "1", "5", "-1", "-3", "100", "3", "-100"];
// Of commands with subcommands, what says the same on both sides. Some of it is found wrong when MULTI queues it.
const subcommands = [
  ...[
    "CLIENT GETNAME",
    "CLIENT getname x",
    "CLIENT SETNAME",
    "client setname bob",
    "CLIENT NO-EVICT",
    "CLIENT NO-EVICT x",
  ],
  ...["CLIENT REPLY x", "CLIENT LIST TYPE x", "CLIENT LIST ID x", "CLIENT UNPAUSE x", "CLIENT NOPE", "CLIENT"],
  ...["CONFIG SET a", "CONFIG SET a b c", "CONFIG RESETSTAT x", "CONFIG GET", "CONFIG NOPE x", "CONFIG HELP x"],
  ...["FUNCTION FLUSH", "FUNCTION flush x", "FUNCTION NOPE", "FUNCTION", "MEMORY USAGE", "MEMORY USAGE none"],
  ...[
    "MEMORY DOCTOR x",
    "MEMORY NOPE k",
    "OBJECT FREQ none",
    "OBJECT IDLETIME none",
    "OBJECT FREQ",
    "OBJECT NOPE none",
  ],
  ...["OBJECT ENCODING", "OBJECT REFCOUNT none x", "PUBSUB NUMPAT", "PUBSUB NUMPAT x", "PUBSUB NUMSUB x"],
  ...["PUBSUB CHANNELS", "PUBSUB CHANNELS x y", "PUBSUB NOPE", "SLOWLOG LEN x", "SLOWLOG GET x", "SLOWLOG RESET x"],
  ...["SLOWLOG NOPE x y", "COMMAND COUNT x", "COMMAND NOPE", "COMMAND GETKEYS GET", "COMMAND GETKEYS GET k"],
];
const lengths = ["b".repeat(44), "b".repeat(45), "1".repeat(20), "1".repeat(21)];
const fieldTypes = ["u1", "i1", "u8", "i8", "i5", "u7", "u16", "i16", "u31", "i32", "u63", "i63", "i64"];
const badFieldTypes = ["u64", "i65", "u0", "i0", "x8", "", "i", "u-1", "i08", "U8"];
const fieldOffsets = ["0", "1", "3", "7", "8", "13", "64", "200", "#0", "#1", "#2", "#10"];
const smallIntegers = ["1", "-1", "2", "127", "128", "255", "256", "-128", "-129", "65535", "5"];

export function commandsOf(random: Random, count: number): Buffer[][] {
  return Array.from({ length: count }, () => commandOf(random).map((word) => Buffer.from(word)));
}

function commandOf(random: Random): string[] {
  const pick = (choices: readonly string[]): string => choices[random(choices.length)]!;
  const key = (): string => `key:${random(KEYS)}`;
  const keys = (): string[] => Array.from({ length: 1 + random(4) }, key);
  const integer = (): string => (random(5) === 0 ? pick(notIntegers) : pick(integers));
  const value = (): string => pick([...values, integer(), pick(floats)]);
  const pairs = (): string[] => Array.from({ length: 1 + random(3) }, () => [key(), value()]).flat();
  const time = (): string[] => {
    const [word, times] = [
      ["EX", seconds],
      ["PX", seconds],
      ["EXAT", moments],
      ["PXAT", momentsMs],
    ][random(4)] as [string, string[]];
    return [word, random(6) === 0 ? pick(notIntegers) : pick(times)];
  };
  const setOptions = (): string[] => {
    const options: string[] = [];
    if (random(3) === 0) options.push(pick(["NX", "XX", "nx", "xX"]));
    if (random(4) === 0) options.push("GET");
    if (random(3) === 0) options.push(...time());
    if (random(5) === 0) options.push("KEEPTTL");
    if (random(20) === 0) options.push(pick(["BOGUS", "EX", "NX"]));
    return options;
  };
  const expireOptions = (): string[] => (random(2) === 0 ? [] : [pick(["NX", "XX", "GT", "LT", "lt", "BOGUS"])]);
  // Two equal spans begin at different moments, or within one millisecond, as the clock will: GT and LT are for moments.
  const spanOptions = (): string[] => (random(2) === 0 ? [] : [pick(["NX", "XX", "nx", "BOGUS"])]);
  const when = (times: string[]): string => (random(8) === 0 ? pick(notIntegers) : pick(times));
  const range = (): string[] => {
    const all = [pick(offsets), pick(offsets), pick(["BIT", "BYTE", "bit", "BOGUS"])];
    return all.slice(0, random(4));
  };
  const fieldType = (): string => (random(12) === 0 ? pick(badFieldTypes) : pick(fieldTypes));
  const fieldOffset = (): string => (random(12) === 0 ? pick(["-1", "#-1", "x", "#", ""]) : pick(fieldOffsets));
  const fieldValue = (): string => {
    const value = random(3) === 0 ? integer() : pick(smallIntegers);
    return value === "-9223372036854775808" ? "-4611686018427387904" : value; // see native/PROTOCOL.md
  };
  const fieldOperation = (kind: "read" | "write" | "fail"): string[] => {
    switch (random(kind === "read" ? 30 : 6)) {
      case 0:
        return ["OVERFLOW", pick(kind === "fail" ? ["FAIL", "fail", "FAIL", "SAT"] : ["WRAP", "SAT", "sat"])];
      case 1:
      case 2:
        return [pick(["SET", "set"]), fieldType(), fieldOffset(), fieldValue()];
      case 3:
        return ["INCRBY", fieldType(), fieldOffset(), fieldValue()];
      case 4:
        return random(4) === 0 ? pick(["GET", "SET i8 0", "OVERFLOW", "OVERFLOW NO", "BOGUS u8 0"]).split(" ") : [];
      default:
        return ["GET", fieldType(), fieldOffset()];
    }
  };
  const fieldOperations = (kind: "read" | "write" | "fail"): string[] =>
    Array.from({ length: random(5) }, () => fieldOperation(kind)).flat();
  // A value that grew because of a field that then did not fit: Redis does not tell those who watch the key.
  const [watchedKey, failingKey] = [() => `key:${random(12)}`, () => `key:${12 + random(4)}`];
  const encodedKey = (): string => `encoded:${random(4)}`;
  const families: (() => string[])[] = [
    () => ["GET", key()],
    () => ["SET", key(), value(), ...setOptions()],
    () => ["SET", key(), pick(integers)],
    () => [pick(["SETEX", "PSETEX"]), key(), when(seconds), value()],
    () => ["SETNX", key(), value()],
    () => ["GETSET", key(), value()],
    () => ["GETDEL", key()],
    () => ["GETEX", key(), ...(random(3) === 0 ? [] : random(3) === 0 ? ["PERSIST"] : time())],
    () => ["MGET", ...keys()],
    () => [pick(["MSET", "MSETNX"]), ...pairs(), ...(random(10) === 0 ? [key()] : [])],
    () => ["APPEND", key(), value()],
    () => ["STRLEN", key()],
    () => [pick(["GETRANGE", "SUBSTR"]), key(), random(9) === 0 ? integer() : pick(offsets), pick(offsets)],
    () => ["SETRANGE", key(), pick(["0", "1", "5", "-1", "200", "x"]), value()],
    () => [pick(["INCR", "DECR"]), key()],
    () => [pick(["INCRBY", "DECRBY"]), key(), integer()],
    () => ["INCRBYFLOAT", key(), random(5) === 0 ? pick(notIntegers) : pick(floats)],
    () => [pick(["DEL", "UNLINK", "EXISTS", "TOUCH"]), ...keys()],
    () => ["TYPE", key()],
    () => ["SETBIT", key(), pick([...offsets, "7", "130", "x"]), pick(["0", "1", "1", "2", "x"])],
    () => ["GETBIT", key(), pick([...offsets, "7", "x"])],
    () => ["BITCOUNT", key(), ...range(), ...(random(9) === 0 ? ["x"] : [])],
    () => ["BITPOS", key(), pick(["0", "1", "1", "0", "2", "x"]), ...range()],
    () => ["BITOP", pick(["AND", "OR", "xor", "NOT", "NAND"]), key(), ...keys()],
    () => (random(20) === 0 ? [pick(["FLUSHALL", "FLUSHDB"]), ...(random(3) === 0 ? ["SYNC"] : [])] : ["TOUCH", key()]),
    () => ["BITFIELD", key(), ...fieldOperations("write")],
    () => ["BITFIELD", failingKey(), ...fieldOperations("fail")],
    () => ["BITFIELD_RO", key(), ...fieldOperations("read")],
    // How Redis keeps a value depends on how it was made: these keys are only ever put whole. (Its count of
    // references also counts the commands that MULTI has queued.)
    () => ["SET", encodedKey(), pick([...values, ...integers, ...notIntegers, "9999", "10000", ...lengths])],
    () => ["OBJECT", pick(["ENCODING", "encoding"]), pick([encodedKey(), encodedKey(), "none"])],
    () => pick(subcommands).split(" "),
    () => ["KEYS", pick(["none*", "key:[^0-9]", "k?y", "\\key"])],
    () => [
      "SCAN",
      pick(["x", "-1", "0"]),
      pick(["COUNT", "MATCH", "TYPE"]),
      ...(random(2) === 0 ? [] : ["none", "COUNT"]),
    ],
    () => [pick(["EXPIRE", "PEXPIRE"]), key(), when(seconds), ...spanOptions(), ...spanOptions()],
    () => ["EXPIREAT", key(), when(moments), ...expireOptions(), ...expireOptions()],
    () => ["PEXPIREAT", key(), when(momentsMs), ...expireOptions()],
    () => [pick(["EXPIRETIME", "PEXPIRETIME"]), "key:never"],
    () => ["PERSIST", key()],
    () => [pick(["RENAME", "RENAMENX"]), key(), key()],
    () => ["COPY", key(), key(), ...(random(2) === 0 ? ["REPLACE"] : []), ...(random(9) === 0 ? ["DB", "0"] : [])],
    () => [pick(["PING", "ECHO"]), ...Array.from({ length: random(3) }, value)],
    () => [pick(["MULTI", "EXEC", "DISCARD", "UNWATCH"])],
    () => ["EXEC"],
    () => ["WATCH", ...Array.from({ length: 1 + random(4) }, watchedKey)],
    () => [pick(["SELECT", "GET", "INCR", "TTL"]), ...Array.from({ length: random(3) }, integer)],
    () => [pick(["NOPE", "put", "\0x"]), ...Array.from({ length: random(4) }, value)],
  ];
  return families[random(families.length)]!();
}
