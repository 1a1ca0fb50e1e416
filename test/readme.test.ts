// What the README shows is so: each of its code blocks is run by a test. Here: the first example, the library, its guides, and that
// no block is left out.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { blocksOf, expectShown, headings, projectDirectory, runAsProgram, sectionOf } from "./readme-programs.js";

const root = new URL("..", import.meta.url);

/** Sections whose programs a test runs, this one or one beside what it is about. */
const tested: Record<string, readonly string[]> = {
  "# CrabKV": ["sh", "ts"],
  "## Installing": ["sh"], // packed/packed.test.ts
  "## The library": ["ts", "js"],
  "## Durability": ["js"],
  "## Time to live": ["js"],
  "## The command line": ["sh"], // cli-readme.test.ts
  "## The server": ["console", "js", "ini"], // server/readme.test.ts; ini: below
  "## Extending the server": ["js"], // server/hooks-readme.test.ts
  "## Ingestion": ["js"], // ingestion.test.ts
  "## Adapters": ["js"], // adapters/readme.test.ts
};

/** What the listing of the library's calls takes for granted. */
const givens = `
const [key, value, keys, version] = ["user:1", { name: "crab" }, ["user:1", "user:2"], 0];
const change = (old) => ({ ...old, changed: true });
const signal = AbortSignal.timeout(2_000);
`;

/** Of a program as TypeScript in a project. */
function typeErrors(program: string, directory: string): string[] {
  const path = join(directory, "example.mts");
  writeFileSync(path, program);
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    noImplicitAny: false,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [new URL("node_modules/@types", root).pathname],
  };
  const messages = ts.getPreEmitDiagnostics(ts.createProgram([path], options));
  return messages.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

test("every block of code is in a section whose blocks a test runs", () => {
  for (const heading of headings) {
    const languages = [...sectionOf(heading).matchAll(/^```(\w+)\n[^]*?^```$/gm)].map(([, language]) => language!);
    for (const language of languages) expect(tested[heading], `${heading}: ${language}`).toContain(language);
  }
});

test("the scripts of the first lines exist", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { scripts: object };
  const [commands] = blocksOf(sectionOf("# CrabKV"), "sh");
  const names = [...commands!.matchAll(/npm (?:run )?(start|test|demo)\b/g)].map(([, name]) => name!);
  expect(names).toEqual(["start", "demo", "test"]);
  for (const name of names) expect(scripts).toHaveProperty(name);
});

test("the first example runs, and its types hold", async () => {
  const directory = projectDirectory([]);
  const [example] = blocksOf(sectionOf("# CrabKV"), "ts");
  const { code, stdout, stderr } = await runAsProgram(example!, directory);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "rustacean 1 [ '1', '2', undefined ]\n", stderr: "" });
  expect(typeErrors(example!, directory)).toEqual([]);
});

test("the listing of the library's calls runs, and its types hold", async () => {
  const directory = projectDirectory([]);
  const [listing] = blocksOf(sectionOf("## The library"), "ts");
  // A watch ends when somebody ends it: here, with the first change.
  const watch = /(for await \(const change of .*\)\)) console\.log\(change\);/;
  expect(listing).toMatch(watch);
  const program = `import { open } from "crabkv";\n${givens}${listing!.replace(watch, "await db.put(key, value);\n$1 break;")}`;
  const { code, stderr } = await runAsProgram(program, directory);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(typeErrors(program, directory)).toEqual([]);
});

test.each(["## The library", "## Durability", "## Time to live"])(
  "the programs of %s give what they show",
  async (heading) => {
    const directory = projectDirectory([]);
    const programs = blocksOf(sectionOf(heading), "js");
    expect(programs.length).toBe(1);
    // The other disk is in this directory, too.
    for (const program of programs) await expectShown(program.replaceAll("/mnt/", join(directory, "mnt/")), directory);
  },
);

test("the flags of the systemd unit are the server's", async () => {
  const { settingNames, settingTable } = await import("../src/cli/setting-table.js");
  const flags = settingNames.map((name) => settingTable[name].flag.split(" ")[0]);
  const [unit] = blocksOf(sectionOf("## The server"), "ini");
  const used = /^ExecStart=.*crabkv serve (.*)$/m.exec(unit!)![1]!.match(/--[\w-]+/g)!;
  expect(used.length).toBeGreaterThan(0);
  for (const flag of used) expect(flags).toContain(flag);
});
