// What the README shows of the server is so: its transcripts are said again and its programs run, against a server on another port.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksOf, expectShown, projectDirectory, sectionOf } from "../readme-programs.js";
import { ServerProcess } from "./server-process.js";

const section = sectionOf("## The server");

interface Shown {
  readonly command: string;
  said: string;
  answered: string;
}

/** The commands of a transcript, each with what is typed into it (`> `) and what it prints. */
function commandsOf(transcript: string): Shown[] {
  const commands: Shown[] = [];
  for (const line of transcript.trimEnd().split("\n")) {
    const last = commands.at(-1);
    if (line.startsWith("$ ")) commands.push({ command: line.slice(2), said: "", answered: "" });
    else if (line.startsWith("> ")) last!.said += `${line.slice(2)}\n`;
    else last!.answered += `${line}\n`;
  }
  return commands;
}

test("the README's transcripts and programs give what they show, in their order", async () => {
  const directory = projectDirectory(["ioredis", "redis"]);
  const server = await ServerProcess.start({ dataDir: join(directory, "data") });
  const withPort = (text: string): string => text.replaceAll("4000", String(server.port));
  const transcripts = blocksOf(section, "console").flatMap(commandsOf);
  expect(transcripts.length).toBeGreaterThanOrEqual(4);
  for (const { command, said, answered } of transcripts) {
    const options = { input: said, encoding: "utf8", timeout: 20_000 } as const;
    expect(spawnSync("bash", ["-c", withPort(command)], options).stdout, command).toBe(answered);
  }
  const programs = blocksOf(section, "js");
  expect(programs.length).toBeGreaterThanOrEqual(3);
  for (const program of programs) await expectShown(withPort(program), directory);
  expect(await server.end("SIGTERM")).toBe(0);
});
