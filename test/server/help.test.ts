// HELP of commands with subcommands: in the form of redis-server's, and each subcommand that it names is known.
import { expect, test } from "vitest";
import { startRedis } from "./redis-server.js";
import { ReplyReader } from "./reply-reader.js";
import { request, temporaryServer } from "./serving.js";

test("HELP is redis-server's for commands that are all there, and names no subcommand that there is not", async () => {
  const server = await temporaryServer({ enableDebug: true });
  const [ours, theirs] = [
    new ReplyReader(server.address.port),
    new ReplyReader(await startRedis("--enable-debug-command", "yes")),
  ];
  const ask = async (reader: ReplyReader, ...words: string[]): Promise<string> => {
    reader.socket.write(request(...words));
    return reader.next();
  };
  expect(await ask(ours, "SLOWLOG", "help")).toBe(await ask(theirs, "SLOWLOG", "help"));
  expect(await ask(ours, "SLOWLOG", "HELP", "x")).toBe(await ask(theirs, "SLOWLOG", "HELP", "x"));
  for (const command of ["CLIENT", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "MEMORY", "OBJECT", "PUBSUB", "SLOWLOG"]) {
    const help = await ask(ours, command, "HELP");
    const [, title, ...lines] = help.split("\r\n");
    expect(title).toBe((await ask(theirs, command, "HELP")).split("\r\n")[1]);
    const subcommands = lines.flatMap((line) => /^\+([A-Z-]+)/.exec(line)?.[1] ?? []);
    expect(subcommands.length).toBeGreaterThan(1);
    for (const subcommand of new Set(subcommands)) {
      if (["RESETSTAT", "RESET", "UNPAUSE"].includes(subcommand)) continue;
      // What is known complains, if at all, of something else.
      expect(await ask(ours, command, subcommand), subcommand).not.toContain("unknown subcommand '");
    }
  }
});
