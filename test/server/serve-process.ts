// `crabkv serve` as a process of its own.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { cleanEnv, cliPath } from "../run-program.js";
import type { ListeningAddress } from "../../src/server/index.js";

export interface ServeProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly port: number;
  readonly addresses: readonly ListeningAddress[];
  /** All that it has said on stderr so far. */
  readonly stderr: () => string;
  /** Its exit code, or the signal that ended it. */
  end(signal?: NodeJS.Signals): Promise<number | string>;
}

/** On a free port, until the end of the test. */
export async function serveProcess(
  cwd: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<ServeProcess> {
  const given = ["serve", "--json", ...(args.includes("--addr") ? [] : ["--addr", "127.0.0.1:0"]), ...args];
  const child = spawn(process.execPath, [cliPath, ...given], { cwd, env: { ...cleanEnv(), ...env } });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value, done } = (await lines.next()) as IteratorResult<string, undefined>;
  if (done === true) throw new Error(`crabkv serve ended: ${stderr}`);
  const { listening, addresses } = JSON.parse(value) as { listening: { port: number }; addresses: ListeningAddress[] };
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    ...{ child, port: listening.port, addresses },
    stderr: () => stderr,
    end: async (signal = "SIGTERM") => {
      child.kill(signal);
      const [code, by] = await ended;
      return code ?? by!;
    },
  };
}
