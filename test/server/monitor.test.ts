// MONITOR: what redis-server shows of commands, without secrets, for as long as somebody looks.
import { setTimeout as after } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { native } from "../../src/native.js";
import { expectSame } from "./side-by-side.js";
import { Client, request, temporaryServer } from "./serving.js";

// Times, ports, and the pings that the script itself sends: what a monitor says itself may come before or after its reply.
const normalize = (line: string): string =>
  line
    .replace(/\d{9,}\.\d{6} \[0 127\.0\.0\.1:\d+\]/g, "TIME [0 ADDRESS]")
    .replace(/\+TIME \[0 ADDRESS\] \\"PING\\" \\"[a-z0-9:]+\\"\\r\\n/g, "")
    .replace(String.raw`+TIME [0 ADDRESS] \"RESET\"\r\n`, "") // its own, before it is reset
    .replace(/id\\r\\n:\d+/, "id")
    .replace(/^ {2}a ""$/, "");

const lines = (transcript: readonly string[]): string[] => transcript.map(normalize).filter((line) => line !== "");

test("a monitor sees what it sees of redis-server", async () => {
  const steps = [
    ["a", "MONITOR"],
    ["p", "SET", "k", 'a"b\\\n\r\t\u0007\b\u0001\u00ff '],
    ["p", "get", "k"],
    ["p", ["MULTI"], ["SET", "x", "1"], ["GET", "x"], ["EXEC"]],
    ["p", ["MULTI"], ["GET", "k"], ["DISCARD"]],
    ["p", "AUTH", "secret"],
    ["p", "AUTH", "default", "secret"],
    ["p", "HELLO", "2", "AUTH", "default", "secret", "SETNAME", "me"],
    ["p", "HELLO", "2", "AUTH", "default", "x", "AUTH", "default", "secret"],
    ["p", "HELLO", "2", "SETNAME", "auth", "AUTH", "default", "secret"],
    ["p", "CONFIG", "GET", "maxmemory"],
    ["p", "SLOWLOG", "LEN"],
    ["p", "NO-SUCH", "x"],
    ["p", "GET"],
    ["p", "PUBLISH", "channel", "message"],
    ["p", "INCR", "k"],
    ["p", ["MULTI"], ["MONITOR"], ["EXEC"]],
    ["a", "RESET"],
    ["p", "GET", "k"],
  ] as const;
  await expectSame(steps, { compare: lines });
});

test("of what is large a monitor sees the beginning, and how much more there is", async () => {
  const server = await temporaryServer();
  const [monitor, client] = [new Client(server.address.port), new Client(server.address.port)];
  monitor.say(request("MONITOR"));
  expect(await monitor.expectReply("+OK\r\n")).toBe("+OK\r\n");
  const many = Array.from({ length: 70_000 }, (_, i) => `k${i}`);
  const transaction = Buffer.concat(
    ["MULTI", ...many.map((key) => `GET ${key}`), "EXEC"].map((line) => request(...line.split(" "))),
  );
  client.say(Buffer.concat([request("SET", "k", Buffer.alloc(3_000_000, 1)), request("EXISTS", ...many), transaction]));
  client.say(
    Buffer.concat([
      request("MULTI"),
      ...many.slice(0, 1000).map((key) => request("SET", key, Buffer.alloc(2000, 1))),
      request("EXEC"),
    ]),
  );
  client.say(request("GET", "last"));
  while (!monitor.received.endsWith('"GET" "last"\r\n')) await after(5);
  const shown = [...monitor.received.matchAll(/\] (.*)\r\n/g)].map(([, words]) => words!);
  expect(shown[0]).toBe(`"SET" "k" "${"\\x01".repeat(1024)}... (2998976 more bytes)"`);
  expect(shown[1]).toMatch(/^"EXISTS" "k0" "k1" .* "k125" "\.\.\. \(6\d{4} more arguments\)"$/);
  expect(shown.slice(2, 4)).toEqual(['"MULTI"', '"EXEC"']);
  const sets = shown.slice(5, -2);
  expect(sets.length).toBeGreaterThan(200);
  expect(sets.length).toBeLessThan(300);
  expect(shown.slice(-2)).toEqual(['"EXEC"', '"GET" "last"']);
});

test("while nobody monitors, and after a monitor has gone, commands stay native", async () => {
  const server = await temporaryServer();
  const [monitor, client] = [new Client(server.address.port), new Client(server.address.port)];
  const up = vi.spyOn(native, "sessionArguments");
  onTestFinished(() => void vi.restoreAllMocks());
  const get = async (): Promise<void> => {
    client.say(request("GET", "k"));
    expect(await client.expectReply("$-1\r\n")).toBe("$-1\r\n");
  };
  await get();
  expect(up).not.toHaveBeenCalled();
  monitor.say(request("MONITOR"));
  expect(await monitor.expectReply("+OK\r\n")).toBe("+OK\r\n");
  await get();
  while (!monitor.received.endsWith('"GET" "k"\r\n')) await after(5);
  monitor.socket.destroy();
  while (server.connections.size > 1) await after(5);
  up.mockClear();
  await get();
  expect(up).not.toHaveBeenCalled();
});

test("a monitor that does not read is cut off at the bound, and the others go on", async () => {
  const server = await temporaryServer({ replyBytesMax: 1024 * 1024, replyBytesPause: 1024 });
  const [monitor, client] = [new Client(server.address.port), new Client(server.address.port)];
  monitor.say(request("MONITOR"));
  await monitor.expectReply("+OK\r\n");
  monitor.socket.pause();
  for (let said = 0; server.connections.size === 2; said++) {
    expect(said).toBeLessThan(1000);
    client.say(request("EXISTS", ...Array.from({ length: 127 }, () => "k".repeat(1000))));
    expect(await client.expectReply(":0\r\n")).toBe(":0\r\n");
  }
  expect(server.connections.size).toBe(1);
});

test("no password of HELLO is shown, wherever it stands", async () => {
  const server = await temporaryServer({ password: "secret" });
  const [monitor, client] = [new Client(server.address.port), new Client(server.address.port)];
  monitor.say(Buffer.concat([request("AUTH", "secret"), request("MONITOR")]));
  await monitor.expectReply("+OK\r\n+OK\r\n");
  const said = [
    ["3", "AUTH", "default", "x", "AUTH", "default", "secret"],
    ["3", "SETNAME", "auth", "AUTH", "default", "secret"],
    ["AUTH", "default", "secret"],
    ["3", "NO-OPTION", "AUTH", "default", "secret"],
    ["3", "AUTH", "secret"],
  ];
  client.say(Buffer.concat([...said.map((words) => request("HELLO", ...words)), request("ECHO", "over")]));
  while (!monitor.received.endsWith('"ECHO" "over"\r\n')) await after(5);
  expect(monitor.received).not.toContain("secret");
  expect(monitor.received).toContain('"HELLO" "3" "SETNAME" "auth" "AUTH" "(redacted)" "(redacted)"\r\n');
});
