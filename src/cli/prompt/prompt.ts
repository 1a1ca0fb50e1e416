// Where lines come from: a person at a terminal, with history and completion, or a script on standard input.
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import { LINE_BYTES_MAX, splitLines } from "../lines.js";
import { FailureError } from "../outcome.js";
import { say } from "../output.js";
import { complete } from "./complete.js";
import { HISTORY_LINES_MAX } from "./history.js";
import type { History } from "./history.js";
import type { LineRunner } from "./line-runner.js";

/** Colours only where a terminal shows them, and nobody said no (https://no-color.org). */
export function hasColours(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stdout.isTTY && (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb";
}

/** Until the end of the input, ctrl-D, `exit`, or `stop`. */
export async function runInteractive(runner: LineRunner, history: History, stop: AbortSignal): Promise<void> {
  const prompt = hasColours() ? "\x1b[1mcrabkv>\x1b[0m " : "crabkv> ";
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt,
    history: history.lines,
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
    completer: (line, answer) => {
      void complete(line, runner.target).then((found) => answer(null, found));
    },
  });
  let running: AbortController | undefined;
  const state = { closed: false };
  lines.on("close", () => (state.closed = true));
  stop.addEventListener("abort", () => lines.close());
  lines.on("SIGINT", () => {
    if (running === undefined) startLineAnew(lines);
    else running.abort(new FailureError("interrupted"));
  });
  lines.prompt();
  for await (const line of lines) {
    history.add(line);
    running = new AbortController();
    const goOn = await runner.run(line, running.signal);
    running = undefined;
    if (!goOn) break;
    if (!state.closed) lines.prompt();
  }
  // After ctrl-D the cursor is still behind the prompt.
  if (state.closed) process.stdout.write("\n");
  lines.close();
}

// As in a shell: what was typed is left standing, and counts for nothing.
function startLineAnew(lines: Interface): void {
  process.stdout.write("^C\n");
  if (lines.line === "") say("(exit or ctrl-D ends)");
  lines.write(null, { ctrl: true, name: "e" });
  lines.write(null, { ctrl: true, name: "u" });
  lines.prompt();
}

/** Lines from a pipe or a file, until their end, `exit`, or `stop`. What is wrong is told with the line's number. */
export async function runScript(runner: LineRunner, stop: AbortSignal): Promise<void> {
  let number = 0;
  stop.addEventListener("abort", () => process.stdin.destroy());
  try {
    for await (const piece of splitLines(process.stdin as AsyncIterable<Buffer>, LINE_BYTES_MAX)) {
      for (const line of piece) {
        number++;
        const goOn = await runner.run(line, stop, `line ${number}: `);
        if (!goOn || stop.aborted) return;
      }
    }
  } catch (error) {
    // Input that ends before its end.
    if (!stop.aborted) throw error;
  }
}
