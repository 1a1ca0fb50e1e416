// What a client says to each server, and how long the answer is: enough to drive one without a client library's own cost. An
// answer's length is known beforehand, because every key that is asked for is there, with a value of known length.
export const keyOf = (index) => `key:${String(index).padStart(12, "0")}`;

const wordsOf = (words) => `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

const resp = {
  get: (key) => wordsOf(["GET", key]),
  set: (key, value) => wordsOf(["SET", key, value]),
  gotAfter: (key, valueBytes) => `$${valueBytes}\r\n`.length + valueBytes + 2,
  got: "$",
  stored: "+OK\r\n",
};

const memcached = {
  get: (key) => `get ${key}\r\n`,
  set: (key, value) => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`,
  gotAfter: (key, valueBytes) => `VALUE ${key} 0 ${valueBytes}\r\n`.length + valueBytes + "\r\nEND\r\n".length,
  got: "V",
  stored: "STORED\r\n",
};

/**
 * `get` and `set` make requests; `gotAfter` is the length of the answer to a get that finds something, `got` its first character,
 * and `stored` the whole answer to a set.
 */
export const protocols = { resp, memcached };
export const sizeRequest = wordsOf(["DBSIZE"]);
