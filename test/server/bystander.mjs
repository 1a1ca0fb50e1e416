// A client that goes about its work while others misbehave: every millisecond a SET, and a GET of what it set. A process of its
// own, so that what it measures is the server. Arguments: the port; "flushed" when others may flush between its SET and its GET.
// For each line on stdin it prints, as JSON, how long its replies took since the line before, in milliseconds. A reply that is
// not right ends it.
import { connect } from "node:net";
import { createInterface } from "node:readline";

const socket = connect(Number(process.argv[2]), "127.0.0.1");
let said = 0;
let expected = "";
let received = "";
let sinceMs = 0;
let timesMs = [];

function ask(words, reply) {
  expected = reply;
  sinceMs = performance.now();
  socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`);
}

function step() {
  const value = `value ${++said}`;
  ask(["SET", "bystander", value], "+OK\r\n");
}

function answered() {
  const value = `value ${said}`;
  if (expected === "+OK\r\n") ask(["GET", "bystander"], `$${value.length}\r\n${value}\r\n`);
  else setTimeout(step, 1);
}

function fail(what) {
  process.stderr.write(`${what}\n`);
  process.exit(1);
}

socket.setNoDelay(true);
socket.on("connect", step);
socket.on("data", (chunk) => {
  received += chunk.toString("latin1");
  const isFlushed = process.argv[3] === "flushed" && received === "$-1\r\n";
  if (received.length < expected.length && !isFlushed) return;
  timesMs.push(performance.now() - sinceMs);
  if (received !== expected && !isFlushed)
    fail(`value ${said}: ${JSON.stringify(received)} instead of ${JSON.stringify(expected)}`);
  received = "";
  answered();
});
socket.on("error", (error) => fail(error.message));
socket.on("close", () => fail("the server has closed the connection"));

createInterface({ input: process.stdin }).on("line", () => {
  // The one that is being waited for counts, too.
  const sorted = [...timesMs, performance.now() - sinceMs].sort((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  process.stdout.write(
    `${JSON.stringify({ count: timesMs.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) })}\n`,
  );
  timesMs = [];
});
process.stdin.on("end", () => process.exit(0));
