// One measurement in a process of its own. However it ends, what it had started (servers) ends with it, and when there is no figure
// there is a reason.
import { fork } from "node:child_process";
import { join } from "node:path";

const program = join(import.meta.dirname, "side.mjs");
// A process that takes longer than this hangs: every workload has a bound far below.
const PROCESS_MS_MAX = 120_000;
let running;

/** Ends the process that is measuring, if there is one. */
export function endSide() {
  try {
    if (running !== undefined) process.kill(-running, "SIGKILL");
  } catch {
    // The whole group has ended.
  }
  running = undefined;
}

/** Runs one task; resolves with what it sends. Rejects with what it says is wrong, how it died, or that it took longer than `msMax`. */
export function runSide(task, msMax = PROCESS_MS_MAX) {
  return new Promise((resolve, reject) => {
    // Detached: the leader of a group that its own children are in, too.
    const child = fork(program, [JSON.stringify(task)], { execArgv: ["--expose-gc"], detached: true });
    running = child.pid;
    let result;
    let reason;
    const timer = setTimeout(() => {
      reason = `took longer than ${msMax / 1000} s`;
      endSide();
    }, msMax);
    child.on("message", (message) => (result = message));
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      endSide();
      reason ??= result?.failed;
      if (reason === undefined && code === 0 && result !== undefined) resolve(result);
      else reject(new Error(reason ?? `ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}
