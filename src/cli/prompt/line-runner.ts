// Runs lines of a prompt or of a script, one after the other, and says what came of them. An error ends its line only.
import { LINE_BYTES_MAX } from "../lines.js";
import type { Data } from "../opening.js";
import { EXIT_DONE, exitCodeOf, hasCode, jsonOfError, NotFoundError, textOfError, UsageError } from "../outcome.js";
import { say, TextWriter } from "../output.js";
import { textOf } from "../records.js";
import { promptCommands } from "./commands.js";
import type { Answer, PromptTarget } from "./commands.js";
import { shown, splitWords } from "./words.js";

/** How answers look. */
export interface Look {
  readonly json: boolean;
  readonly colours: boolean;
}

const RED = "\x1b[31m";
const GREEN = "\x1b[32m";
const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

export class LineRunner {
  readonly target: PromptTarget;
  readonly #look: Look;
  readonly #writer = new TextWriter(process.stdout);
  /** Of the last line that failed. */
  exitCode = EXIT_DONE;

  constructor(target: PromptTarget, look: Look) {
    this.target = target;
    this.#look = look;
  }

  /** Whether there is to be another line. `where` goes before what is wrong. */
  async run(line: Data, signal: AbortSignal, where = ""): Promise<boolean> {
    try {
      const goOn = await this.#run(line, signal);
      await this.#writer.flush();
      return goOn;
    } catch (error) {
      // The answers before it come before it.
      await this.#writer.flush();
      this.exitCode = exitCodeOf(error);
      // That nobody reads the answers is told once, by the command.
      if (!hasCode(error, "EPIPE")) this.#sayError(error, where);
      return true;
    }
  }

  async #run(line: Data, signal: AbortSignal): Promise<boolean> {
    // It may come without its end.
    if (line.length > LINE_BYTES_MAX) throw new UsageError(`the line is longer than ${LINE_BYTES_MAX} bytes`);
    const text = textOf(line);
    // What would be put for such bytes is another key or value than the one meant.
    if (text === undefined) {
      throw new UsageError("the line is not UTF-8", { advice: "bytes go in as \\xNN, in double quotes" });
    }
    const { words, open } = splitWords(text);
    if (open !== undefined)
      throw new UsageError(`nothing closes the ${open}`, { advice: "put it in quotes, or before it a \\" });
    const [name, ...rest] = words.map(({ data }) => data);
    if (name === undefined || (typeof name === "string" && name.startsWith("#"))) return true;
    // People who know other stores type capitals.
    const lower = typeof name === "string" ? name.toLowerCase() : "";
    if (lower === "exit" || lower === "quit") return false;
    if (!Object.hasOwn(promptCommands, lower)) {
      throw new UsageError(`unknown command ${shown(name)}`, { advice: "help lists the commands" });
    }
    const command = promptCommands[lower]!;
    if (rest.length < command.wordsMin || rest.length > command.wordsMax) {
      const problem = rest.length < command.wordsMin ? "too few words" : "too many words";
      const advice =
        problem === "too many words" ? "a key or value with spaces needs quotes" : "help explains the commands";
      throw new UsageError(`${problem}: usage is ${command.usage}`, { advice });
    }
    await command.run({ target: this.target, words: rest, signal, answer: (answer) => this.#answer(answer) });
    return true;
  }

  async #answer({ text, fields, isNote }: Answer): Promise<void> {
    const { json, colours } = this.#look;
    if (isNote) {
      if (json) say(JSON.stringify({ note: text }));
      else say(colours ? `${DIM}${text}${PLAIN}` : text);
      return;
    }
    if (json) await this.#writer.write(`${JSON.stringify(fields)}\n`);
    else await this.#writer.write(colours ? `${GREEN}${text}${PLAIN}\n` : `${text}\n`);
  }

  #sayError(error: unknown, where: string): void {
    const { json, colours } = this.#look;
    if (json) {
      say(jsonOfError(error));
      return;
    }
    const text = `${where}${textOfError(error).replace(/^crabkv: /, "")}`;
    if (!colours) say(text);
    else say(`${error instanceof NotFoundError ? DIM : RED}${text}${PLAIN}`);
  }
}
