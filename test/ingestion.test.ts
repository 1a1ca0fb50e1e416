// The README's programs for ingestion: they run as they stand there, in one directory after each other, and hold what is said of them
// when a client is too fast, when a process is killed, and when a worker dies.
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../src/index.js";
import { blocksOf, expectShown, projectDirectory, runAsProgram, sectionOf } from "./readme-programs.js";
import { collect } from "./temporary.js";

const programs = blocksOf(sectionOf("## Ingestion"), "js");
const [receiving, draining, handingOver, working] = programs as [string, string, string, string];

test("the README's programs for ingestion give what they show, in their order", async () => {
  expect(programs.length).toBe(4);
  const directory = projectDirectory([]);
  for (const program of programs) await expectShown(program, directory);
  const db = await open(join(directory, "ingest"));
  const left = await collect(db.keys());
  await db.close();
  expect(left.filter((key) => /^(event|job|lease):/.test(key))).toEqual([]);
});

test("a client that sends faster than the store writes is not read any further", async () => {
  const stalled = receiving.replace(
    "const stream = db.createWriteStream();",
    `$&
     stream.cork();
     setTimeout(() => {
       console.log(request.socket.bytesRead < 4e6);
       stream.uncork();
     }, 500);`,
  );
  const client = `
    const body = Array.from({ length: 200_000 }, (_, id) => \`{"id":\${id},"padding":"\${"x".repeat(80)}"}\\n\`).join("");
    console.log(body.length > 2e7, (await (await post(body)).json()).stored);
    server.close();
    await db.close();
  `;
  const program = stalled.slice(0, stalled.indexOf("const lines =", stalled.indexOf("const post"))) + client;
  const { stdout, stderr } = await runAsProgram(program, projectDirectory([]));
  expect({ stdout, stderr }).toEqual({ stdout: "true\ntrue 200000\n", stderr: "" });
});

test("the lines before a bad one are stored, and how many is said", async () => {
  const client = `
    const reply = await post('{"id":1}\\n{"id":2}\\n{"id":');
    const { stored, message } = await reply.json();
    console.log(reply.status, stored <= 2, message.includes("JSON"), await db.hasMany(["event:1", "event:2", "event:undefined"]));
    console.log((await (await post("x".repeat(2_000_000))).json()).message);
    server.close();
    await db.close();
  `;
  const program = receiving.slice(0, receiving.indexOf("const lines =", receiving.indexOf("const post"))) + client;
  const { stdout, stderr } = await runAsProgram(program, projectDirectory([]));
  expect({ stdout, stderr }).toEqual({
    stdout: "400 true true [ true, true, false ]\na line is too long\n",
    stderr: "",
  });
});

test("a drain that is killed handles nothing twice but what came after the last cursor", async () => {
  const directory = projectDirectory([]);
  await expectShown(receiving, directory);
  const killed = draining.replace(
    "await handle(key, value);",
    `$& if (count === 2500) process.kill(process.pid, "SIGKILL");`,
  );
  expect(await runAsProgram(killed, directory)).toMatchObject({ code: null, stdout: "" });
  const again = draining.replaceAll(
    /console\.log\(await drain\(count\), kinds\).*$/gm,
    "console.log(await drain(count));",
  );
  const { stdout } = await runAsProgram(again, directory);
  expect(stdout).toBe("8000\n1 0\n");
});

test("a hand-over that is killed between the receiver and the sender hands nothing over twice", async () => {
  const directory = projectDirectory([]);
  await expectShown(receiving, directory);
  await expectShown(draining, directory);
  const killed = handingOver.replace("// a crash here", `process.kill(process.pid, "SIGKILL");`);
  expect(await runAsProgram(killed, directory)).toMatchObject({ code: null, signal: "SIGKILL" });
  const taken = await recordsIn(join(directory, "warehouse"));
  expect(taken.size).toBe(1000);
  expect((await recordsIn(join(directory, "ingest"))).size).toBe(10_001);
  // Some that the sender knows nothing of come with those that the receiver has.
  const db = await open(join(directory, "ingest"));
  await db.put("event:0", "written again");
  await db.close();
  await expectShown(handingOver, directory);
  const all = await recordsIn(join(directory, "warehouse"));
  expect(all.size).toBe(10_001);
  expect((await recordsIn(join(directory, "ingest"))).size).toBe(0);
  for (const [key, { version }] of taken) {
    // Written once, but for the one that was written again.
    if (key === "event:0") expect(all.get(key)).toMatchObject({ value: "written again" });
    else expect(all.get(key)!.version, key).toBe(version);
  }
});

test("a job whose worker was killed is done by another, once", async () => {
  const directory = projectDirectory([]);
  const killed = working.replace('Promise.reject(new Error("out of memory"))', `process.kill(process.pid, "SIGKILL")`);
  expect(await runAsProgram(killed, directory)).toMatchObject({ code: null, signal: "SIGKILL" });
  const db = await open(join(directory, "ingest"));
  expect((await collect(db.keys({ prefix: "lease:" }))).length).toBe(1);
  await db.close();
  await expectShown(working, directory);
});

test("a worker whose lease ran out while it worked changes nothing any more", async () => {
  const slowly = `
    const slow = work("slow", () => sleep(400, "slow"), 100);
    await sleep(150);
    await work("fast", () => Promise.resolve("fast"));
    await slow;
    console.log(await db.get("done:job:0"), await db.hasMany(["job:0", "lease:job:0"]));
    await db.close();
  `;
  const jobs = working.slice(0, working.indexOf('await work("unlucky"')).replace("length: 100", "length: 1");
  const { stdout, stderr } = await runAsProgram(jobs + slowly, projectDirectory([]));
  expect({ stdout, stderr }).toEqual({ stdout: "fast [ false, false ]\n", stderr: "" });
});

async function recordsIn(path: string) {
  const db = await open(path);
  const records = await collect(db.records({ prefix: "event:" }));
  await db.close();
  return new Map(records.map(({ key, value, version }) => [key, { value, version }]));
}
