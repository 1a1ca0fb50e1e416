// Prints the .cc files of the given folders (relative to the root), one a line, sorted: binding.gyp's way to take up a new
// file without an edit. A folder that is not there has no sources.
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export function listSources(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith(".cc"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

// In a variant's tree this file is reached through a symbolic link, while import.meta.url is its real path.
const isMain = process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href;
if (isMain) {
  console.log(process.argv.slice(2).flatMap(listSources).join("\n"));
}
