// Takes one directory through its phases: opens, runs commands, closes or kills, and compares every answer, and after every open
// the whole store, with the model.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apply } from "./apply.js";
import type { Command, Phase } from "./commands.js";
import { damageHints } from "./damage-hints.js";
import { LogView } from "./log-view.js";
import { Model, atomsOf } from "./model.js";
import { StoreProcess } from "./store-process.js";
import type { AuditedEntry } from "./store-process.js";

// After a kill: keys that were given so short a time to live have lost it before anybody looks.
const LAPSED_SURELY_MS = 10;

export class ModelRun {
  readonly counts = new Map<Command["op"], number>();
  commands = 0;
  lookups = 0;
  hits = 0;
  directories = 0;
  reopens = 0;
  kills = 0;
  /** Of them, those of a store with a write-back buffer. */
  bufferedKills = 0;
  twoHandled = 0;
  segmentsMax = 0;
  /** Removed, cut short, flipped or swapped before an opening. */
  hintsDamaged = 0;
  /** That were asked for; the others come by themselves. */
  compactions = 0;
  #store = new StoreProcess();
  /** Started ahead, for the time after the next kill. */
  #spare = new StoreProcess();

  async end(): Promise<void> {
    await Promise.all([this.#store.kill(), this.#spare.kill()]);
  }

  async run(phases: readonly Phase[]): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "crabkv-model-"));
    const directory = join(folder, "data");
    this.directories++;
    try {
      const model = await this.#runAll(phases, directory);
      this.lookups += model.lookups;
      this.hits += model.hits;
    } catch (error) {
      await this.#replaceProcess();
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #runAll(phases: readonly Phase[], directory: string): Promise<Model> {
    let model = new Model();
    let candidates = [model];
    for (const [i, phase] of phases.entries()) {
      try {
        this.hintsDamaged += damageHints(directory, this.reopens);
        const audited = await this.#store.open(directory, phase.options, twoHandles(phase));
        if (i > 0) this.reopens++;
        if (twoHandles(phase)) this.twoHandled++;
        model = recovered(candidates, audited);
        candidates = await this.#runPhase(model, phase);
      } catch (error) {
        throw new Error(`phase ${i}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    this.hintsDamaged += damageHints(directory, this.reopens);
    const audited = await this.#store.open(directory, {});
    this.reopens++;
    const last = recovered(candidates, audited);
    await this.#store.close();
    return last;
  }

  /** The models that the next open may find: one after a close; after a kill one for each unanswered step that may be there. */
  async #runPhase(model: Model, phase: Phase): Promise<Model[]> {
    const { commands, window, killAt } = phase;
    model.defaultTtlMs = phase.options.defaultTtlMs;
    model.snapshot = undefined;
    const killAfter = killAt === null ? undefined : Math.floor(killAt * commands.length);
    const beganMs = Date.now();
    const answers = await this.#store.run(commands, window, killAfter);
    const log = phase.options.writeBack === false ? undefined : new LogView(model);
    for (const [number, beforeMs, afterMs, result, buffered] of answers) {
      const command = commands[number]!;
      this.#count(command, result);
      try {
        log?.before(command);
        apply(model, command, { beforeMs, afterMs })(result);
        log?.after(command, result, buffered);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`command ${number} ${JSON.stringify(command)}: ${reason}`, { cause: error });
      }
    }
    if (killAfter === undefined) {
      await this.#store.close();
      if (phase.newProcess) await this.#replaceProcess();
      return log === undefined ? [model] : carryCounts(log.candidates(true), model);
    }
    this.kills++;
    await this.#replaceProcess();
    await sleep(LAPSED_SURELY_MS);
    const times = { beforeMs: beganMs, afterMs: Date.now() };
    const unanswered = commands.slice(answers.length).flatMap(atomsOf);
    if (log === undefined) return this.#afterKill(model, unanswered, times);
    this.bufferedKills++;
    for (const atom of unanswered) {
      log.before(atom);
      apply(model, atom, times);
      log.after(atom, undefined, undefined);
    }
    return carryCounts(log.candidates(false), model);
  }

  #afterKill(answered: Model, unanswered: readonly Command[], times: { beforeMs: number; afterMs: number }): Model[] {
    const models = [answered];
    for (const atom of unanswered) {
      const next = models.at(-1)!.copy();
      apply(next, atom, times);
      models.push(next);
    }
    // A put that has lapsed leaves the entries as they were: the first model that matches is not the store's for sure.
    const { everLapsed } = models.at(-1)!;
    for (const model of models) for (const key of everLapsed) model.lapsed.add(key);
    return models;
  }

  async #replaceProcess(): Promise<void> {
    await this.#store.kill();
    this.#store = this.#spare;
    this.#spare = new StoreProcess();
  }

  #count({ op }: Command, result: unknown): void {
    this.commands++;
    this.counts.set(op, (this.counts.get(op) ?? 0) + 1);
    if (op === "compact") this.compactions += result as number;
    if (op === "stats") this.segmentsMax = Math.max(this.segmentsMax, (result as [number, number])[1]);
  }
}

/** What was counted goes on in these models. */
function carryCounts(models: readonly Model[], { lookups, hits }: Model): Model[] {
  for (const model of models) Object.assign(model, { lookups, hits });
  return [...models];
}

/** With a buffer, a handle's puts are not seen by the other. */
function twoHandles({ twoHandles: wanted, options }: Phase): boolean {
  return wanted && options.writeBack === false;
}

function recovered(candidates: readonly Model[], audited: readonly AuditedEntry[]): Model {
  const found = candidates.find((candidate) => candidate.matches(audited));
  if (found === undefined) throw new Error(describeMismatch(candidates, audited));
  carryCounts([found], candidates[0]!);
  found.learn(audited);
  return found;
}

function describeMismatch(candidates: readonly Model[], audited: readonly AuditedEntry[]): string {
  const [answered] = candidates;
  const expected = [...answered!.entries].map(([key, { value }]) => `${key.slice(0, 40)}=${value}`);
  const found = audited.map(([key, value]) => `${key.slice(0, 40)}=${value}`);
  return (
    `after opening the store is none of ${candidates.length} possible ones.\n` +
    `Missing of what was answered: ${expected.filter((entry) => !found.includes(entry)).join(", ")}\n` +
    `Found beyond that: ${found.filter((entry) => !expected.includes(entry)).join(", ")}`
  );
}
