// Paths that callers give.
import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { describe } from "./errors.js";

export function requirePath(name: string, path: unknown): asserts path is string {
  if (typeof path !== "string" || path === "") throw new TypeError(`${name} must be a string, not ${describe(path)}`);
}

/** Of a directory that will be made under another name and renamed: a link to an empty one is not what is to be replaced. */
export function newDirectoryPath(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) ? realpathSync(absolute) : absolute;
}
