// Runs programs with strace, which makes a system call of theirs fail, or slow, and shows them. Linux only, and where tracing is
// permitted.
import { spawnSync } from "node:child_process";

// A sanitizer's runtime belongs into the traced program, not into strace.
const { LD_PRELOAD: preloaded, ...plainEnv } = process.env;
const preload = preloaded === undefined ? [] : ["-E", `LD_PRELOAD=${preloaded}`];

/** Runs a command to its end. `injected` as strace's option inject takes it. */
export function strace(trace: string, injected: string, ...command: string[]) {
  const what = ["-e", "trace=fdatasync,fsync", "-e", `inject=${injected}`];
  const args = ["-f", "-y", "-qq", "--signal=none", "-o", trace, ...what, ...preload, ...command];
  return spawnSync("strace", args, { env: plainEnv, encoding: "utf8", timeout: 120_000 });
}

/** The command with `delayMs` before each read of the file. To be run without LD_PRELOAD. */
export function withSlowReads(path: string, delayMs: number, ...command: string[]): string[] {
  const what = ["-e", "trace=pread64", "-e", `inject=pread64:delay_enter=${delayMs * 1000}`, "-P", path];
  return ["strace", "-f", "-qq", "--signal=none", "-o", "/dev/null", ...what, ...preload, ...command];
}

/** Why no sync can be made to fail here, or undefined. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== "linux") return "failing syncs by strace needs Linux";
  const { error, status, stderr } = strace("/dev/null", "fdatasync:error=EIO:when=1", "true");
  if (error !== undefined) return `no strace: ${error.message}`;
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`;
}
