// redis-cli and redis-benchmark, as operators use them.
import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { request, temporaryServer } from "../serving.js";

/** Runs a tool to its end; resolves with its output, whatever its exit code. */
function run(tool: string, port: number, args: readonly string[], input?: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 50_000, maxBuffer: 1 << 26 };
    const child = execFile(tool, ["-p", String(port), ...args], options, (error, stdout, stderr) => {
      if (error !== null && error.killed === true) reject(new Error(`${tool} hung: ${stdout}${stderr}`));
      else resolve(stdout + stderr);
    });
    child.stdin!.on("error", () => undefined);
    child.stdin!.end(input ?? "");
  });
}

test("redis-cli --pipe loads a stream of requests", async () => {
  const server = await temporaryServer();
  const count = 50_000;
  const requests = Array.from({ length: count }, (_, i) => request("SET", `key:${i}`, `value:${i}`));
  const output = await run("redis-cli", server.address.port, ["--pipe"], Buffer.concat(requests));
  expect(output).toContain(`errors: 0, replies: ${count}`);
  expect(server.store.stats().keys).toBe(count);
});

test.each(["-2", "-3"])("redis-cli %s walks, measures and shows what is there", async (protocol) => {
  const server = await temporaryServer();
  const cli = (args: readonly string[], input?: string): Promise<string> =>
    run("redis-cli", server.address.port, [protocol, ...args], input);
  await server.store.putMany(Array.from({ length: 1000 }, (_, i) => ({ key: `key:${i}`, value: "v".repeat(i) })));
  expect((await cli(["--scan", "--pattern", "key:99*"])).trim().split("\n").sort()).toHaveLength(11);
  expect(await cli(["--bigkeys"])).toMatch(/Biggest string found '?"?key:999"?'? has 999 bytes/);
  expect(await cli(["--memkeys"])).toMatch(/Biggest string found/);
  expect(await cli(["-r", "3", "INCR", "n"])).toBe("1\n2\n3\n");
  expect(await cli(["-x", "SET", "from-stdin"], "a\nb")).toBe("OK\n");
  expect(await cli(["--csv", "MGET", "n", "none", "from-stdin"])).toMatch(/^"3",(?:NULL|NIL),"a\\nb"\n$/);
  expect(await cli(["--no-raw", "GET", "none"])).toBe("(nil)\n");
  expect(await cli([], "MULTI\nINCR n\nGET n\nEXEC\nNOPE\nPING\n")).toBe(
    "OK\nQUEUED\nQUEUED\n4\n4\nERR unknown command 'NOPE', with args beginning with: \n\nPONG\n",
  );
  expect(await cli(["-n", "1", "PING"])).toContain("DB index is out of range");
  expect(await cli(["-e", "HSET", "h", "f", "v"])).toContain("ERR unknown command");
});

test("redis-cli says the password", async () => {
  const { port } = (await temporaryServer({ password: "correct horse" })).address;
  expect(await run("redis-cli", port, ["PING"])).toContain("NOAUTH");
  expect(await run("redis-cli", port, ["-a", "correct horse", "--no-auth-warning", "PING"])).toBe("PONG\n");
  expect(
    await run("redis-cli", port, ["-3", "--user", "default", "--pass", "correct horse", "--no-auth-warning", "PING"]),
  ).toBe("PONG\n");
  expect(await run("redis-cli", port, ["-a", "wrong", "--no-auth-warning", "PING"])).toContain("WRONGPASS");
});

// Its first test, PING_INLINE, sends lines and expects RESP: --text-style resp.
test.each([1, 16, 64])("redis-benchmark runs what there is of its tests, pipeline %i", async (pipeline) => {
  const { port } = (await temporaryServer({ textStyle: "resp" })).address;
  const tests = "ping_inline,ping_mbulk,set,get,incr,mset";
  const args = ["-t", tests, "-n", "5000", "-r", "1000", "-P", String(pipeline), "--csv"];
  const output = await run("redis-benchmark", port, args);
  const names = [...output.matchAll(/^"([^"]*)","[\d.]+"/gm)].map(([, name]) => name);
  expect(names).toEqual(["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]);
  expect(output).not.toMatch(/error/i);
});

test("redis-benchmark without a choice of tests ends at the first type that is missing, saying so", async () => {
  const { port } = (await temporaryServer({ textStyle: "resp" })).address;
  const output = await run("redis-benchmark", port, ["-n", "1000", "-q"]);
  expect(output).toMatch(/INCR: .* requests per second/);
  expect(output).toContain("ERR unknown command 'LPUSH'");
});
