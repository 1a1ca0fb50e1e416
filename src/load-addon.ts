// The addon, or an error that says what was tried and what to do.
import addon from "./addon.cjs";
import { CrabKVError } from "./errors.js";

/** What was tried to load, and what came of it. */
export type Finding = ReturnType<typeof addon.findAddon>;

export function loadAddon(): unknown {
  const { loaded, failed } = addon.findAddon();
  if (loaded === undefined) throw noBinaryError(failed);
  return loaded.addon;
}

function noBinaryError(failed: Finding["failed"]): CrabKVError {
  const tried = failed.map(({ path, error }) => `  ${path}: ${firstLine(error)}`).join("\n");
  const advice =
    process.platform === "win32"
      ? "CrabKV needs POSIX: on Windows, run it in WSL."
      : "npx crabkv rebuild builds one from the package's sources; npx crabkv doctor tells more.";
  return new CrabKVError(
    "CRABKV_NO_BINARY",
    `no native binary works for ${addon.binaryTarget()} (Node ${process.version}). Tried:\n${tried}\n${advice}`,
    { cause: new AggregateError(failed.map(({ error }) => error)) },
  );
}

// Node adds who required it; that is always this package.
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!;
}
