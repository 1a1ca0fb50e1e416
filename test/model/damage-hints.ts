// What may happen to hints while nobody has a store open: they are caches, so nothing may come of it but a slower opening.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Damages each hint of the directory in a way that `choice` decides, or leaves it. How many were damaged. */
export function damageHints(directory: string, choice: number): number {
  if (!existsSync(directory)) return 0;
  const names = readdirSync(directory).filter((name) => name.endsWith(".hint"));
  const contents = names.map((name) => readFileSync(join(directory, name)));
  let damaged = 0;
  for (const [i, name] of names.entries()) {
    const path = join(directory, name);
    const bytes = contents[i]!;
    // One that was cut to nothing before, and is still there.
    if (bytes.length === 0) continue;
    const place = (choice * 7919 + i * 104_729) % bytes.length;
    switch ((choice + i) % 6) {
      case 0:
        rmSync(path);
        break;
      case 1:
        truncateSync(path, place);
        break;
      case 2:
        bytes[place]! ^= 1 << (choice % 8);
        writeFileSync(path, bytes);
        break;
      case 3:
        // Another segment's; the only one's own.
        writeFileSync(path, contents[(i + 1) % names.length]!);
        break;
      default:
        continue;
    }
    damaged++;
  }
  return damaged;
}
