// Branches of native/core from what `llvm-cov export` says. A branch is one outcome of a condition in the source:
//
// - A template or an inline function that is compiled several times has its branches once, taken when any copy took them.
// - A condition that a macro brings (CRABKV_RETURN_IF_ERROR) is one of each place that uses the macro.
// - The conditions of assertions are no branches: that one fails is a bug of ours, and ends the process.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

const expansionRegion = 1;

const isCore = (path) => path.includes("native/core/");

/** For a function: from a place in one of its files (macros have numbers of their own) to the places that led to it, outermost first. */
function placesOf(fn) {
  const parents = new Map();
  for (const [line, column, , , , file, expanded, kind] of fn.regions) {
    if (kind === expansionRegion) parents.set(expanded, { file, line, column });
  }
  return (place) => {
    const places = [place];
    while (parents.has(places[0].file)) places.unshift(parents.get(places[0].file));
    return places.map(({ file, line, column }) => ({ path: fn.filenames[file], line, column }));
  };
}

function assertionsIn(root) {
  const texts = new Map();
  return ({ path, line, column }) => {
    if (!isCore(path)) return false;
    const name = basename(path);
    if (!texts.has(name)) texts.set(name, readFileSync(join(root, "native", "core", name), "utf8").split("\n"));
    return texts.get(name)[line - 1].startsWith("CRABKV_ASSERT(", column - 1);
  };
}

/** By file name: the file's branches as `{ line, column, yes, no }`, how often each outcome came. */
export function branchesByFile(data, root) {
  const files = new Map();
  const isAssertion = assertionsIn(root);
  for (const fn of data.functions) {
    if (!fn.filenames.some(isCore)) continue;
    const placesIn = placesOf(fn);
    for (const [line, column, , , yes, no, file] of fn.branches) {
      const places = placesIn({ file, line, column });
      if (!isCore(places[0].path) || places.some(isAssertion)) continue;
      const name = basename(places[0].path);
      if (!files.has(name)) files.set(name, new Map());
      const key = places.map((place) => `${place.line}:${place.column}`).join(" ");
      const branch = files.get(name).get(key) ?? { line: places[0].line, column: places[0].column, yes: 0, no: 0 };
      files.get(name).set(key, { ...branch, yes: branch.yes + yes, no: branch.no + no });
    }
  }
  return new Map([...files].map(([name, branches]) => [name, [...branches.values()]]));
}

export function countBranches(branches) {
  const covered = branches.reduce((sum, { yes, no }) => sum + (yes > 0 ? 1 : 0) + (no > 0 ? 1 : 0), 0);
  return { count: 2 * branches.length, covered };
}
