// Completion scripts for shells, made of the command tree. They are static: a shell that completes starts no Node.
import type {
  ArgumentDescription,
  CommandDescription,
  FlagDescription,
  ProgramDescription,
  Values,
} from "./command-tree.js";

export type Shell = "bash" | "zsh" | "fish";

export const shells: readonly Shell[] = ["bash", "zsh", "fish"];

export function completionScript(shell: Shell, program: ProgramDescription): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program);
}

/** Names of flags that take the next word, in all commands: what stands behind one of them is no command. */
function flagsWithArgument({ flags, commands }: ProgramDescription): string[] {
  const all = [...flags, ...commands.flatMap((command) => command.flags)];
  return [...new Set(all.filter(({ argument }) => argument !== undefined).flatMap(({ names }) => names))];
}

/** The values of flags, by the words they are. */
function valuesOfFlags({ flags, commands }: ProgramDescription): Map<string, Values> {
  const all = [...flags, ...commands.flatMap((command) => command.flags)];
  const pairs = all.flatMap(({ names, argument }) =>
    argument ? names.map((name) => [name, argument.values] as const) : [],
  );
  return new Map(pairs);
}

const namesOf = (flags: readonly FlagDescription[]): string => flags.flatMap(({ names }) => names).join(" ");

// Without an answer bash completes files (-o default), unless it is told not to.
function bashAnswer(values: Values): string {
  if (values === "file") return "return";
  if (values === "directory")
    return `local IFS=$'\\n'; COMPREPLY=($(compgen -d -- "$cur")); compopt -o filenames 2>/dev/null; return`;
  return values === "any" ? "compopt +o default 2>/dev/null; return" : `words="${values.join(" ")}"`;
}

function bashScript(program: ProgramDescription): string {
  const flagCases = [...valuesOfFlags(program)].map(([name, values]) => `    ${name}) ${bashAnswer(values)} ;;`);
  const commandCases = program.commands.map(({ name, flags, arguments: taken }) => {
    const last = taken.length === 0 ? "any" : taken.at(-1)!.values;
    return `      ${name}) flags+=" ${namesOf(flags)}"; [[ $cur == -* ]] || { ${bashAnswer(last)}; } ;;`;
  });
  return `# bash completion of crabkv: source <(crabkv completion bash)
_crabkv() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" command="" words="" i
  local flags="${namesOf(program.flags)}"
  COMPREPLY=()
  # --flag=value comes as three words.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $prev == "=" ]]; then
    prev="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
    ${flagsWithArgument(program).join(" | ")}) [[ "\${COMP_WORDS[i + 1]}" == "=" ]] && ((i++)); ((i++)) ;;
    -*) ;;
    *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "$prev" in
${flagCases.join("\n")}
  *)
    case "$command" in
      "") words="${program.commands.map(({ name }) => name).join(" ")}" ;;
${commandCases.join("\n")}
      *) return ;;
    esac
    [[ $cur == -* ]] && words="$flags"
    ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _crabkv crabkv
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");

function zshAction(values: Values): string {
  if (values === "file") return "_files";
  if (values === "directory") return "_files -/";
  return values === "any" ? "()" : `(${values.join(" ")})`;
}

function zshFlag({ names, description, argument }: FlagDescription): string[] {
  const value = argument === undefined ? "" : `:${zshText(argument.name)}:${zshAction(argument.values)}`;
  return names.map((name) => quoted(`${name}[${zshText(description)}]${value}`));
}

function zshArgument({ name, required, values }: ArgumentDescription): string {
  return quoted(`${required ? ":" : "::"}${zshText(name)}:${zshAction(values)}`);
}

function zshCommand({ name, flags, arguments: taken }: CommandDescription): string {
  const specs = [...flags.flatMap(zshFlag), ...taken.map(zshArgument)];
  return `        ${name}) _arguments $everywhere ${specs.join(" ")} && none=0 ;;`;
}

function zshScript(program: ProgramDescription): string {
  const { commands, flags } = program;
  const described = commands.map((command) => quoted(`${command.name}:${command.description.replaceAll(":", "\\:")}`));
  return `#compdef crabkv
# zsh completion of crabkv: source <(crabkv completion zsh), after compinit; or a file _crabkv in a directory of $fpath
_crabkv() {
  local curcontext="$curcontext" state line none=1
  typeset -A opt_args
  local -a everywhere commands
  everywhere=(${flags.flatMap(zshFlag).join(" ")})
  commands=(${described.join(" ")})
  _arguments -C $everywhere '(-): :->command' '(-)*:: :->arguments' && none=0
  case $state in
    command) _describe -t commands command commands && none=0 ;;
    arguments)
      case $line[1] in
${commands.map(zshCommand).join("\n")}
      esac
      ;;
  esac
  return none
}
if [[ $funcstack[1] == _crabkv ]]; then
  _crabkv "$@"
else
  compdef _crabkv crabkv
fi
`;
}

function fishFlag(condition: string, { names, description, argument }: FlagDescription): string {
  const forms = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return `complete -c crabkv ${condition}${forms.join(" ")}${fishValues(argument?.values)} -d ${fishQuoted(description)}`;
}

function fishValues(values: Values | undefined): string {
  if (values === undefined) return "";
  if (values === "file") return " -r -F";
  if (values === "directory") return " -x -a '(__fish_complete_directories)'";
  return values === "any" ? " -x" : ` -x -a ${fishQuoted(values.join(" "))}`;
}

const fishQuoted = (text: string): string => `'${text.replace(/['\\]/g, "\\$&")}'`;

function fishCommand({ name, description, flags, arguments: taken }: CommandDescription): string[] {
  const condition = `-n '__crabkv_command_is ${name}' `;
  const last = taken.at(-1)?.values;
  const values = last === "file" ? [`complete -c crabkv ${condition}-F`] : [];
  if (last === "directory") values.push(`complete -c crabkv ${condition}-a '(__fish_complete_directories)'`);
  if (Array.isArray(last)) values.push(`complete -c crabkv ${condition}-a ${fishQuoted(last.join(" "))}`);
  return [
    `complete -c crabkv -n '__crabkv_command_is ""' -a ${name} -d ${fishQuoted(description)}`,
    ...values,
    ...flags.map((flag) => fishFlag(condition, flag)),
  ];
}

function fishScript(program: ProgramDescription): string {
  return `# fish completion of crabkv: crabkv completion fish | source
function __crabkv_command_is
  set -l command ""
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${flagsWithArgument(program).join(" ")}
        set skip 1
      case '-*'
      case '*'
        set command $word
        break
    end
  end
  test "$command" = "$argv[1]"
end
complete -c crabkv -f
${program.flags.map((flag) => fishFlag("", flag)).join("\n")}
${program.commands.flatMap(fishCommand).join("\n")}
`;
}
