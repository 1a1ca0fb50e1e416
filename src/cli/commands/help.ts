// help and completion: what there is to say, told to people, to programs and to shells.
import { Argument } from "commander";
import type { Command } from "commander";
import { describeProgram } from "../command-tree.js";
import { completionScript, shells } from "../completion.js";
import type { Shell } from "../completion.js";
import { UsageError } from "../outcome.js";
import { printLine } from "../output.js";
import type { GlobalFlags } from "../settings.js";

export function addHelpCommands(program: Command): void {
  const completion = program.command("completion");
  completion
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .action((shell: Shell) => runCompletion(program, shell, completion.optsWithGlobals()))
    .addHelpText(
      "after",
      `
In ~/.bashrc: source <(crabkv completion bash). In ~/.zshrc, after compinit: source <(crabkv completion zsh).
For fish: crabkv completion fish > ~/.config/fish/completions/crabkv.fish`,
    );

  // Not the parser's own, which does not answer in JSON.
  program.helpCommand(false);
  const help = program.command("help");
  help
    .description("explain a command")
    .argument("[command]")
    .action((name: string | undefined) => runHelp(program, name, help.optsWithGlobals()));
}

function runCompletion(program: Command, shell: Shell, { json }: GlobalFlags): void {
  const script = completionScript(shell, describeProgram(program));
  if (json) printLine(JSON.stringify({ shell, script }));
  else process.stdout.write(script);
}

function runHelp(program: Command, name: string | undefined, { json }: GlobalFlags): void {
  const command = name === undefined ? program : program.commands.find((other) => other.name() === name);
  if (command === undefined) {
    throw new UsageError(`unknown command '${name}'`, { advice: "crabkv help lists the commands" });
  }
  if (!json) {
    command.outputHelp();
    return;
  }
  const description = describeProgram(program);
  printLine(
    JSON.stringify(name === undefined ? description : description.commands.find((other) => other.name === name)),
  );
}
