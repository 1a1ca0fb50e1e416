// What the README shows of the adapters runs as it stands there.
import { expect, test } from "vitest";
import { blocksOf, expectShown, projectDirectory, sectionOf } from "../readme-programs.js";

test("the README's programs with adapters give what they show", async () => {
  const directory = projectDirectory(["express", "express-rate-limit", "express-session", "keyv", "unstorage"]);
  const programs = blocksOf(sectionOf("## Adapters"), "js");
  expect(programs.length).toBe(3);
  for (const program of programs) await expectShown(program, directory);
});
