// A driver of servers without coordinated omission: requests are due at a steady pace, whatever became of those before, and a
// latency counts from when its request was due. A server that stalls for a tenth of a second so shows in every request that was due
// meanwhile, and not only in the one that waited, as with a client that sends the next when it has the answer (redis-benchmark does).
import { once } from "node:events";
import { connect } from "node:net";
import { randomKeys, randomNumbers } from "./distributions.mjs";
import { keyOf, protocols } from "./protocols.mjs";

const SEED = 23;
const ANSWER_MS_MAX = 20_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One connection: what it was sent and has not answered yet, in order. */
class Connection {
  #socket;
  #protocol;
  #onAnswer;
  /** Requests sent: number of the request and length of its answer. */
  #numbers = [];
  #lengths = [];
  #answered = 0;
  #left = 0;
  #text = "";

  constructor(socket, protocol, onAnswer) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#onAnswer = onAnswer;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
  }

  add(number, request, answerBytes) {
    this.#numbers.push(number);
    this.#lengths.push(answerBytes);
    this.#text += request;
  }

  /** Sends what was added in this turn of the event loop, in one write. */
  send() {
    if (this.#text === "") return;
    this.#socket.write(this.#text, "latin1");
    this.#text = "";
  }

  end() {
    this.#socket.destroy();
  }

  #read(chunk) {
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) this.#begin(chunk[at]);
      const taken = Math.min(this.#left, chunk.length - at);
      at += taken;
      this.#left -= taken;
      if (this.#left === 0) this.#onAnswer(this.#numbers[this.#answered++]);
    }
  }

  #begin(first) {
    const character = String.fromCharCode(first);
    const length = this.#lengths[this.#answered];
    const { got, stored } = this.#protocol;
    const expected = length === stored.length ? stored[0] : got;
    if (length === undefined || character !== expected) throw new Error(`an answer begins with ${character}`);
    this.#left = length;
  }
}

async function openConnections(port, count, protocol, onAnswer) {
  const sockets = Array.from({ length: count }, () => connect(port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return sockets.map((socket) => new Connection(socket, protocol, onAnswer));
}

/** The requests, made before: { text, answerBytes } by number. */
function makeRequests(count, protocol, { keys, getShare, valueBytes }) {
  const random = randomNumbers(SEED);
  const next = randomKeys("uniform", keys, random);
  const value = "y".repeat(valueBytes);
  return Array.from({ length: count }, () => {
    const key = keyOf(next());
    if (random() < getShare) return { text: protocol.get(key), answerBytes: protocol.gotAfter(key, valueBytes) };
    return { text: protocol.set(key, value), answerBytes: protocol.stored.length };
  });
}

/**
 * Sends `rate` requests a second for so many seconds over `connections`, in turn. Resolves with `latenciesMs`, each from when its
 * request was due to its answer's last byte; `lateMs`, how long after it was due each was sent; and `ms` until the last answer.
 */
export async function drive(port, { protocol: name, connections, rate, seconds, keys, getShare, valueBytes }) {
  const protocol = protocols[name];
  const count = Math.round(rate * seconds);
  const requests = makeRequests(count, protocol, { keys, getShare, valueBytes });
  const latenciesMs = new Float64Array(count);
  const lateMs = new Float64Array(count);
  let answered = 0;
  let start;
  const dueMs = (number) => (number / rate) * 1000;
  const all = await openConnections(port, connections, protocol, (number) => {
    latenciesMs[number] = performance.now() - start - dueMs(number);
    answered++;
  });
  globalThis.gc?.();
  start = performance.now();
  let sent = 0;
  while (answered < count) {
    const now = performance.now() - start;
    if (now > seconds * 1000 + ANSWER_MS_MAX)
      throw new Error(`${count - answered} of ${count} requests were not answered`);
    const due = Math.min(count, Math.floor((now / 1000) * rate) + 1);
    for (; sent < due; sent++) {
      lateMs[sent] = now - dueMs(sent);
      all[sent % connections].add(sent, requests[sent].text, requests[sent].answerBytes);
    }
    for (const connection of all) connection.send();
    await turn();
  }
  const ms = performance.now() - start;
  for (const connection of all) connection.end();
  return { latenciesMs, lateMs, ms };
}
