// Runs programs with strace, which makes a system call of theirs fail and shows them. Linux only, and where tracing is permitted.
import { spawnSync } from "node:child_process";

// A sanitizer's runtime belongs into the traced program, not into strace.
const { LD_PRELOAD: preloaded, ...plainEnv } = process.env;

/** Runs a command to its end. `injected` as strace's option inject takes it. */
export function strace(trace: string, injected: string, ...command: string[]) {
  const preload = preloaded === undefined ? [] : ["-E", `LD_PRELOAD=${preloaded}`];
  const what = ["-e", "trace=fdatasync,fsync", "-e", `inject=${injected}`];
  const args = ["-f", "-y", "-qq", "--signal=none", "-o", trace, ...what, ...preload, ...command];
  return spawnSync("strace", args, { env: plainEnv, encoding: "utf8", timeout: 120_000 });
}

/** Why no sync can be made to fail here, or undefined. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== "linux") return "failing syncs by strace needs Linux";
  const { error, status, stderr } = strace("/dev/null", "fdatasync:error=EIO:when=1", "true");
  if (error !== undefined) return `no strace: ${error.message}`;
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`;
}
