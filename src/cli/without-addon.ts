// The command line where no native binary works: what helps then, and the error for everything else.
import { Command } from "commander";
import { addDoctor } from "./commands/doctor.js";
import { addRebuild } from "./commands/rebuild.js";
import { addGlobalOptions } from "./settings.js";

export function buildProgramWithoutAddon(reason: unknown): Command {
  const program = new Command("crabkv").exitOverride();
  addGlobalOptions(program);
  addDoctor(program);
  addRebuild(program);
  program
    .allowUnknownOption()
    .argument("[command...]")
    .action(() => {
      throw reason;
    });
  return program;
}
