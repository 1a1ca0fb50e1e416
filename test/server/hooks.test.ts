// server.use(): what a hook sees, and what it makes of commands and replies.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setTimeout as after } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { native } from "../../src/native.js";
import { ErrorReply, Status } from "../../src/server/index.js";
import type { CommandHook, CommandMessage, Reply } from "../../src/server/index.js";
import { Client, request, temporaryServer } from "./serving.js";

async function conversation(options?: Parameters<typeof temporaryServer>[0]) {
  const server = await temporaryServer(options);
  const client = new Client(server.address.port);
  const ask = async (sent: string | Buffer, expected: string): Promise<void> => {
    client.say(sent);
    expect(await client.expectReply(expected)).toBe(expected);
  };
  return { server, client, ask };
}

test("a hook sees commands and replies, and what it lets through is as without it", async () => {
  const { server, ask } = await conversation();
  const seen: [string, string[], Reply][] = [];
  server.use(async (context, next) => {
    const reply = await next();
    seen.push([context.name, context.arguments.map(String), reply]);
  });
  await ask(request("set", "k", "v"), "+OK\r\n");
  await ask(request("GET", "k"), "$1\r\nv\r\n");
  await ask(request("MGET", "k", "none"), "*2\r\n$1\r\nv\r\n$-1\r\n");
  await ask(request("GET", "none"), "$-1\r\n");
  await ask(request("INCR", "k"), "-ERR value is not an integer or out of range\r\n");
  await ask(request("SET", "n", "9223372036854775806"), "+OK\r\n");
  await ask(request("INCR", "n"), ":9223372036854775807\r\n");
  await ask(request("EXEC"), "-ERR EXEC without MULTI\r\n");
  await ask(request("CLIENT", "GETNAME"), "$-1\r\n");
  await ask(request("NO-SUCH"), "-ERR unknown command 'NO-SUCH', with args beginning with: \r\n");
  expect(seen).toEqual([
    ["SET", ["k", "v"], new Status("OK")],
    ["GET", ["k"], Buffer.from("v")],
    ["MGET", ["k", "none"], [Buffer.from("v"), null]],
    ["GET", ["none"], null],
    ["INCR", ["k"], new ErrorReply("ERR value is not an integer or out of range")],
    ["SET", ["n", "9223372036854775806"], new Status("OK")],
    ["INCR", ["n"], 9223372036854775807n],
    ["EXEC", [], new ErrorReply("ERR EXEC without MULTI")],
    ["CLIENT", ["GETNAME"], null],
    ["NO-SUCH", [], new ErrorReply("ERR unknown command 'NO-SUCH', with args beginning with: ")],
  ]);
});

test("a hook gives a command subcommands that there are not, outside of MULTI", async () => {
  const { server, ask } = await conversation();
  server.use({ commands: ["client", "object"] }, (context, next) =>
    context.arguments[0]?.toString() === "TRACKINGINFO" ? ["off"] : next(),
  );
  await ask(request("CLIENT", "TRACKINGINFO"), "*1\r\n$3\r\noff\r\n");
  await ask(request("CLIENT", "NOPE"), "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n");
  await ask(request("OBJECT", "NOPE"), "-ERR unknown subcommand 'NOPE'. Try OBJECT HELP.\r\n");
  await ask(request("CLIENT", "GETNAME", "x"), "-ERR wrong number of arguments for 'client|getname' command\r\n");
  await ask(request("MULTI"), "+OK\r\n");
  await ask(request("CLIENT", "TRACKINGINFO"), "-ERR unknown subcommand 'TRACKINGINFO'. Try CLIENT HELP.\r\n");
  await ask(request("DISCARD"), "+OK\r\n");
});

test("the command that a hook lets through finds what the hook has put", async () => {
  const { server, ask } = await conversation();
  server.use({ commands: ["mget"] }, (_, next) => {
    for (let i = 0; i < 100; i++) void server.store.put(`k${i}`, "v");
    return next();
  });
  await ask(request("MGET", "k0", "k63", "k99"), "*3\r\n$1\r\nv\r\n$1\r\nv\r\n$1\r\nv\r\n");
});

test("a hook answers, refuses, and changes arguments and replies", async () => {
  const { server, ask } = await conversation();
  server.use({ commands: ["get", "set", "greet"] }, async (context, next) => {
    const key = context.arguments[0]!.toString();
    if (context.name === "GREET") return `hello ${key}`;
    if (key === "secret") return new ErrorReply("NOPERM not yours");
    if (key === "broken") throw new Error("the hook\r\nis broken");
    context.arguments = [`prefix:${key}`, ...context.arguments.slice(1)];
    const reply = await next();
    return Buffer.isBuffer(reply) ? reply.toString().toUpperCase() : reply;
  });
  await ask(request("GREET", "you"), "$9\r\nhello you\r\n");
  await ask(request("SET", "secret", "v"), "-NOPERM not yours\r\n");
  await ask(request("SET", "broken", "v"), "-ERR the hook  is broken\r\n");
  await ask(request("SET", "k", "value"), "+OK\r\n");
  await ask(request("GET", "k"), "$5\r\nVALUE\r\n");
  expect(await server.store.get("prefix:k")).toBe("value");
  expect(await server.store.get("k")).toBeUndefined();
});

test("a hook can make another command of it, though not one that cannot run there", async () => {
  const { server, ask } = await conversation();
  server.use({ commands: ["FETCH"] }, (context, next) => {
    context.name = "GET";
    return next();
  });
  server.use({ commands: ["WHO"] }, (context, next) => {
    context.name = "CLIENT";
    context.arguments = ["ID"];
    return next();
  });
  server.use({ commands: ["ECHO"] }, (context, next) => {
    context.arguments = [];
    return next();
  });
  await ask(request("SET", "k", "v"), "+OK\r\n");
  await ask(request("FETCH", "k"), "$1\r\nv\r\n");
  await ask(request("WHO"), ":1\r\n");
  await ask(request("ECHO", "x"), "-ERR a hook made a command of it that cannot run here: ECHO\r\n");
  await ask(request("PING"), "+PONG\r\n");
});

test("EXEC is one unit, which a hook for a command in it sees, changes or refuses as a whole", async () => {
  const { server, ask } = await conversation();
  const seen: unknown[] = [];
  server.use({ commands: ["SET"] }, async (context, next) => {
    const queued = context.queued.map(({ name, arguments: words }) => [name, ...words.map(String)]);
    seen.push([context.name, queued]);
    if (queued.some(([, key]) => key === "secret")) throw new Error("not the secret");
    for (const inner of context.queued) if (inner.name === "SET") inner.arguments = [inner.arguments[0]!, "changed"];
    return next();
  });
  const transaction = (...commands: string[][]): Buffer =>
    Buffer.concat([request("MULTI"), ...commands.map((words) => request(...words)), request("EXEC")]);
  const queued = (count: number): string => "+OK\r\n" + "+QUEUED\r\n".repeat(count);

  await ask(
    transaction(["SET", "a", "1"], ["CLIENT", "ID"], ["GET", "a"]),
    `${queued(3)}*3\r\n+OK\r\n:1\r\n$7\r\nchanged\r\n`,
  );
  await ask(transaction(["SET", "b", "1"], ["SET", "secret", "1"]), `${queued(2)}-ERR not the secret\r\n`);
  await ask(request("GET", "b"), "$-1\r\n");
  // Refused by the hook or not, the transaction is over.
  await ask(request("EXEC"), "-ERR EXEC without MULTI\r\n");
  await ask(transaction(["GET", "a"]), `${queued(1)}*1\r\n$7\r\nchanged\r\n`);
  expect(seen).toEqual([
    [
      "EXEC",
      [
        ["SET", "a", "1"],
        ["CLIENT", "ID"],
        ["GET", "a"],
      ],
    ],
    [
      "EXEC",
      [
        ["SET", "b", "1"],
        ["SET", "secret", "1"],
      ],
    ],
  ]);
});

test("the first hook is the outermost; next() can be called once", async () => {
  const { server, ask } = await conversation();
  const wrap =
    (name: string): CommandHook =>
    async (_context, next) =>
      `${name}(${((await next()) as Buffer | string).toString()})`;
  server.use({ commands: ["ECHO"] }, wrap("a"));
  const stop = server.use({ commands: ["ECHO"] }, wrap("b"));
  await ask(request("ECHO", "x"), "$7\r\na(b(x))\r\n");
  stop();
  await ask(request("ECHO", "x"), "$4\r\na(x)\r\n");
  server.use({ commands: ["PING"] }, async (_context, next) => {
    await next();
    return next();
  });
  await ask(request("PING"), "-ERR next() was called twice\r\n");
  server.use({ commands: ["TIME"] }, () => undefined);
  await ask(request("TIME"), "-ERR a hook left TIME without a reply\r\n");
  server.use({ commands: ["DBSIZE"] }, () => ({ no: "reply" }) as never);
  await ask(request("DBSIZE"), "-ERR a reply cannot be an instance of Object\r\n");
  server.use({ commands: ["STRLEN"] }, () => 2n ** 63n);
  await ask(request("STRLEN", "x"), "-ERR a reply cannot be 9223372036854775808\r\n");
  server.use({ commands: ["LOLWUT"] }, () => -(2n ** 63n));
  await ask(request("LOLWUT"), ":-9223372036854775808\r\n");
  const ofText = new Client(server.address.port);
  ofText.say("LOLWUT\nSTRLEN x\n");
  const answered = "-9223372036854775808\nERR a reply cannot be 9223372036854775808\n";
  expect(await ofText.expectReply(answered)).toBe(answered);
});

test("replies keep their order and their form, whatever a hook waits for", async () => {
  const { server, ask } = await conversation();
  server.use({ commands: ["GET", "HELLO"] }, async (_context, next) => {
    await after(5);
    return next();
  });
  await ask(
    Buffer.concat([request("SET", "k", "v"), request("GET", "k"), request("INCR", "n"), request("GET", "none")]),
    "+OK\r\n$1\r\nv\r\n:1\r\n$-1\r\n",
  );
  const { client } = { client: new Client(server.address.port) };
  client.say("PUT k 'two words'\nGET k\nGET none\nDELETE k\n");
  expect(await client.expectReply("OK\nVALUE two words\nNOT_FOUND\nOK\n")).toBe("OK\nVALUE two words\nNOT_FOUND\nOK\n");
  client.say(Buffer.from('SET k "é \\xff\\n"\nGET k\n'));
  expect(await client.expectReply('OK\nVALUE "\u00c3\u00a9 \\xff\\n"\n')).toBe('OK\nVALUE "\u00c3\u00a9 \\xff\\n"\n');
});

test("in always, a hooked write is answered when it is durable, and a hook that is slow to answer does not hold the log up", async () => {
  const { server, ask } = await conversation({ sync: "always" });
  let written: Promise<unknown> | undefined;
  server.use({ commands: ["SET"] }, async (_context, next) => {
    const reply = await next();
    written = server.store.flush();
    await written;
    return reply;
  });
  await ask(Buffer.concat([request("SET", "k", "v"), request("GET", "k")]), "+OK\r\n$1\r\nv\r\n");
  expect(written).toBeDefined();
});

test("a command that nobody hooked costs no crossing of its own", async () => {
  const { server, client, ask } = await conversation();
  server.use({ commands: ["SET"] }, (_context, next) => next());
  const spies = (["sessionFeed", "sessionArguments", "sessionProceed", "sessionAnswer", "sessionResume"] as const).map(
    (name) => vi.spyOn(native, name),
  );
  onTestFinished(() => void vi.restoreAllMocks());
  const counts = (): number[] => spies.map((spy) => spy.mock.calls.length);
  const chunks = (): number => counts()[0]!;

  const gets = 500;
  await ask(Buffer.concat(Array.from({ length: gets }, () => request("GET", "k"))), "$-1\r\n".repeat(gets));
  // One for each chunk that the socket brought, and none for a command.
  expect(chunks()).toBeLessThan(10);
  expect(counts().slice(1)).toEqual([0, 0, 0, 0]);

  // A hooked command: up with its arguments, back to run, back with its reply.
  await ask(request("SET", "k", "v"), "+OK\r\n");
  expect(counts().slice(1)).toEqual([1, 1, 1, 0]);
  expect(client.ended).toBe(false);
});

test("a connection that is closed while a hook waits: the hook hears of it, and the command does not run", async () => {
  const { server, client } = await conversation();
  const killer = new Client(server.address.port);
  let failure: unknown;
  const tried = new Promise<void>((resolve) => {
    server.use({ commands: ["SET"] }, async (_context, next) => {
      killer.say(request("CLIENT", "KILL", "ID", "1"));
      await killer.expectReply(":1\r\n");
      failure = await next().catch((error: unknown) => error);
      resolve();
    });
  });
  client.say(request("SET", "k", "v"));
  await tried;
  expect(String(failure)).toContain("the connection is closed");
  expect(await server.store.get("k")).toBeUndefined();
});

test("crabkv:command is published only while somebody subscribes", async () => {
  const { ask } = await conversation();
  const messages: CommandMessage[] = [];
  const listen = (message: unknown): void => void messages.push(message as CommandMessage);
  const arguments_ = vi.spyOn(native, "sessionArguments");
  onTestFinished(() => void vi.restoreAllMocks());
  await ask(request("SET", "k", "v"), "+OK\r\n");
  expect(arguments_).not.toHaveBeenCalled();
  subscribe("crabkv:command", listen);
  await ask(Buffer.concat([request("SET", "k", "v"), request("INCR", "k")]), "+OK\r\n-ERR value is not an");
  unsubscribe("crabkv:command", listen);
  await ask(request("GET", "k"), " integer or out of range\r\n$1\r\nv\r\n");
  expect(arguments_).toHaveBeenCalledTimes(2);
  expect(messages.map(({ name, connectionId, error }) => [name, connectionId, error])).toEqual([
    ["SET", 1, undefined],
    ["INCR", 1, "ERR value is not an integer or out of range"],
  ]);
  for (const { durationMs } of messages) expect(durationMs).toBeGreaterThanOrEqual(0);
});

test("use() refuses what is no hook", async () => {
  const { server } = await conversation();
  expect(() => server.use({} as never)).toThrow("hook must be a function, not undefined");
  expect(() => server.use({ command: ["SET"] } as never, () => undefined)).toThrow(TypeError);
  expect(() => server.use({ commands: "SET" as never }, () => undefined)).toThrow("commands must be an array");
  expect(() => server.use({ commands: [""] }, () => undefined)).toThrow("commands must be names");
});
