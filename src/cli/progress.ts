// A progress bar on stderr, for people: where stderr is no terminal, or the answer is for a program, there is none, and what draws
// it is not loaded.
import { formatCount } from "./output.js";

export interface Progress {
  /** How far it is, in the units of the total, and how many records. */
  update(done: number, records: number): void;
  stop(): void;
}

const silent: Progress = { update: () => undefined, stop: () => undefined };

/** `total` undefined: how much there is to do is not known, and records (or what `unit` says) are counted. */
export async function startProgress(
  label: string,
  total: number | undefined,
  enabled: boolean,
  unit = "records",
): Promise<Progress> {
  if (!enabled || !process.stderr.isTTY) return silent;
  const { Presets, SingleBar } = (await import("cli-progress")).default;
  const format =
    total === undefined
      ? `${label} {records} ${unit}`
      : `${label} {bar} {percentage}%  {records} ${unit}  {eta_formatted}`;
  const options = {
    format,
    stream: process.stderr,
    fps: 10,
    hideCursor: true,
    formatTime: timeLeft,
    clearOnComplete: true,
    barsize: 30,
  };
  const bar = new SingleBar(options, Presets.shades_classic);
  bar.start(total ?? 1, 0, { records: "0" });
  return {
    // The last step is for stop(): a bar that is full ends by itself, and a file may grow while it is read.
    update: (done, records) =>
      bar.update(total === undefined ? 0 : Math.min(done, total), { records: formatCount(records) }),
    stop: () => bar.stop(),
  };
}

// In the beginning, and when nothing moves, there is no telling ("INF", "NULL").
function timeLeft(seconds: unknown): string {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "";
  return seconds < 60 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`;
}
