// Completion at the prompt: commands, and the keys of the store by their beginning, within bounds.
import { promptCommands } from "./commands.js";
import type { PromptTarget } from "./commands.js";
import { isPrintable, splitWords } from "./words.js";
import { textOf } from "../records.js";

const KEYS_MAX = 50;
/** A walk through a large store takes longer than a person waits for a completion. */
const KEYS_MS_MAX = 300;

/** What readline wants: the words that could stand there, and the part of the line they would replace. */
export type Completions = [words: string[], replaced: string];

export async function complete(line: string, target: PromptTarget): Promise<Completions> {
  const { words, open, inWord } = splitWords(line);
  const last = inWord ? words.at(-1)! : { data: "", begin: line.length };
  const raw = line.slice(last.begin);
  const position = words.length - (inWord ? 1 : 0);
  if (typeof last.data !== "string" || open === "\\") return [[], raw];
  const typed = last.data;
  if (position === 0) {
    const names = Object.keys(promptCommands).filter((name) => name.startsWith(typed.toLowerCase()));
    return [names.map((name) => `${name} `), raw];
  }
  const name = words[0]!.data;
  const command = typeof name === "string" ? promptCommands[name.toLowerCase()] : undefined;
  if (position !== 1 || command?.takesKey !== true) return [[], raw];
  const spell = spellingOf(raw);
  const found = spell === undefined ? [] : await keysFrom(target, typed);
  // What readline inserts is the end of a word: each must begin as the person has begun.
  const spelt = found.map((key) => spell!(key)).filter((key) => key.startsWith(raw));
  return [spelt, raw];
}

async function keysFrom(target: PromptTarget, prefix: string): Promise<string[]> {
  const found: string[] = [];
  try {
    const signal = AbortSignal.timeout(KEYS_MS_MAX);
    for await (const key of target.keys({ prefix, limit: KEYS_MAX, signal })) {
      const text = textOf(key);
      if (text !== undefined && isPrintable(text)) found.push(text);
    }
  } catch {
    // Out of time, or a store in trouble, which the next command will say: what was found is offered.
  }
  return found.sort();
}

/** How to write a key in the quotes that its beginning has. */
function spellingOf(raw: string): ((key: string) => string) | undefined {
  if (raw.startsWith('"')) return (key) => `"${key.replace(/["\\]/g, "\\$&")}" `;
  if (raw.startsWith("'")) return (key) => `'${key}' `;
  return /["']/.test(raw.replace(/\\./g, "")) ? undefined : (key) => `${key.replace(/[\s"'\\]/g, "\\$&")} `;
}
