// What the README shows of hooks runs as it stands there.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProgram } from "../run-program.js";
import { temporaryDirectory } from "../temporary.js";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

test("the README's hooks: a prefix for keys, in transactions too, a refusal, a command of its own, channels", async () => {
  const section = readme.slice(readme.indexOf("## Extending the server"));
  const code = /```js\n([^]*?)```/.exec(section)![1]!;
  const cwd = temporaryDirectory();
  const built = new URL("../../dist/server/index.js", import.meta.url).href;
  const conversation = `
    import { connect } from "node:net";
    const socket = connect(server.address.port, "127.0.0.1");
    const commands = "*3\\r\\n$3\\r\\nSET\\r\\n$1\\r\\nk\\r\\n$1\\r\\nv\\r\\nMULTI\\nSET a b\\nGET k\\nDEL a\\nEXEC\\nFLUSHALL\\nGREET crab\\nQUIT\\n";
    socket.end(commands);
    let replies = "";
    for await (const chunk of socket) replies += chunk;
    console.log(JSON.stringify(replies), await server.store.get("tenant1:k"), await server.store.get("tenant1:a"));
    await server.close();
  `;
  writeFileSync(join(cwd, "program.mjs"), code.replace('"crabkv/server"', JSON.stringify(built)) + conversation);
  const { code: exitCode, stdout, stderr } = await runProgram(join(cwd, "program.mjs"), [], { cwd });
  expect(exitCode, stderr).toBe(0);
  const replies =
    "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n$1\r\nv\r\n:1\r\n" +
    "-NOPERM ask somebody else\r\n$11\r\nHello crab!\r\n+OK\r\n";
  expect(stdout).toContain(`${JSON.stringify(replies)} v undefined\n`);
  expect(stdout).toMatch(/^SET \d/m);
  expect(stdout).toMatch(/^FLUSHALL [\d.]+ NOPERM/m);
  // The commit of the SET: one record.
  expect(stdout).toMatch(/^1 \d+ [\d.]+$/m);
});
