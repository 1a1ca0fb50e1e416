// The server's log: lines of JSON on standard error, or on a terminal lines for people.
import { pino } from "pino";
import type { Logger } from "pino";
import type { LogLevel } from "./server-settings.js";

export function openLog(level: LogLevel): Logger {
  const options = { level, base: { pid: process.pid } };
  // What a process says as it dies must be there: lines are rare, so each is written before the next thing happens.
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: process.stderr.fd, sync: true }));
  return pino(options, { write: (line: string) => void process.stderr.write(`${lineForPeople(line)}\n`) });
}

/** "12:30:01 warn wrong password client=7 peer=127.0.0.1:52" */
function lineForPeople(json: string): string {
  const { level, time, pid: _, msg, err, ...rest } = JSON.parse(json) as Record<string, unknown>;
  const at = new Date(time as number).toTimeString().slice(0, 8);
  const name = pino.levels.labels[level as number] ?? "";
  const fields = Object.entries(rest).map(([field, value]) => {
    return `${field}=${typeof value === "string" ? value : JSON.stringify(value)}`;
  });
  const reason = (err as { message?: string } | undefined)?.message;
  return [at, name.padEnd(5), reason === undefined ? msg : `${msg as string}: ${reason}`, ...fields].join(" ");
}
