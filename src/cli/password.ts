// Passwords for servers: from a file, the environment, or a person, who does not see it while typing.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { FailureError, UsageError } from "./outcome.js";

/** The variable that has a client's password. It is no setting: `crabkv config` would show it. */
export const PASSWORD_VARIABLE = "CRABKV_PASSWORD";

/** The file's first line; undefined for "off". */
export function passwordIn(file: string): string | undefined {
  if (file === "off") return undefined;
  const [password] = readText(file).split(/\r?\n/, 1);
  if (password === undefined || password === "") throw new UsageError(`${file} has no password on its first line`);
  return password;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new FailureError(`--password-file: ${(cause as Error).message}`, { cause });
  }
}

/** Undefined when nothing was typed. */
export async function askPassword(): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  // The terminal shows nothing any more of what is typed.
  process.stderr.write("password: ");
  try {
    const given = await lines.question("");
    return given === "" ? undefined : given;
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
