// Copies Google's Snappy (C++ sources and licence) from the pinned npm package classic-level into native/.deps/snappy, which
// git ignores. Writes only what differs, so that an incremental build stays one. Fails when a file is missing: a new
// release of classic-level that moved them must be looked at by a person.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const files = [
  ...["COPYING", "snappy-internal.h", "snappy-sinksource.cc", "snappy-sinksource.h"].map((name) => `snappy/${name}`),
  ...["snappy-stubs-internal.cc", "snappy-stubs-internal.h", "snappy.cc", "snappy.h"].map((name) => `snappy/${name}`),
  ...["linux", "mac", "freebsd", "openbsd"].flatMap((os) => [`${os}/config.h`, `${os}/snappy-stubs-public.h`]),
];

/** Returns how many files were written. */
export function vendorSnappy() {
  const target = join(root, "native", ".deps", "snappy");
  // The published tarball carries the sources; there classic-level is not installed.
  const complete = files.every((file) => existsSync(join(target, file)));
  const source = findSource();
  if (source === undefined) {
    if (complete) return 0;
    throw new Error("snappy: classic-level is not installed and native/.deps/snappy is not complete; run npm ci first");
  }
  let written = 0;
  for (const file of files) {
    const from = join(source, file);
    if (!existsSync(from)) throw new Error(`snappy: classic-level does not ship deps/snappy/${file} any more`);
    const bytes = readFileSync(from);
    const to = join(target, file);
    if (existsSync(to) && readFileSync(to).equals(bytes)) continue;
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, bytes);
    written++;
  }
  return written;
}

function findSource() {
  try {
    const require = createRequire(import.meta.url);
    return join(dirname(require.resolve("classic-level/package.json")), "deps", "snappy");
  } catch {
    return undefined;
  }
}
