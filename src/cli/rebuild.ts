// Builds the addon from the sources in the package, with node-gyp: for machines that no prebuilt binary is for. The package
// has no binding.gyp at its root (npm would build at every installation), so the build is laid out in a folder of its own.
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FailureError } from "./outcome.js";

// dist/cli and src/cli are both two folders below the package.
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Returns the binary's path. Throws a FailureError that says what is missing, or what failed. */
export function rebuild(): string {
  const description = ["native/binding.gyp", "binding.gyp"].map((name) => join(root, name)).find(existsSync);
  if (description === undefined || !existsSync(join(root, "native", ".deps", "snappy")))
    throw new FailureError(`the sources are not in ${root}`, { advice: "install crabkv anew" });
  requireTools();
  const nodeGyp = findNodeGyp();
  const tree = mkdtempSync(join(tmpdir(), "crabkv-rebuild-"));
  try {
    symlinkSync(join(root, "native"), join(tree, "native"));
    copyFileSync(description, join(tree, "binding.gyp"));
    run(nodeGyp, ["configure", ...headers(), "--", "-Dwarnings_are_errors=0", "-Dsanitize=", "-Dextra_define="], tree);
    run(nodeGyp, ["build", "crabkv"], tree);
    return install(join(tree, "build", "Release", "crabkv.node"));
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function requireTools(): void {
  const missing = [
    ["python3", [process.env.PYTHON ?? "python3", "python"]],
    ["make", [process.env.MAKE ?? "make", "gmake"]],
    ["a C++17 compiler", [process.env.CXX ?? "c++", "g++", "clang++"]],
  ] as const;
  const names = missing.filter(([, commands]) => !commands.some(isCommand)).map(([name]) => name);
  if (names.length === 0) return;
  throw new FailureError(`cannot build: ${names.join(", ")} not found`, {
    advice:
      "apt-get install python3 make g++ (Debian, Ubuntu), apk add python3 make g++ (Alpine), dnf install python3 make gcc-c++ (Fedora, RHEL), xcode-select --install (macOS)",
  });
}

// CXX may be a compiler with its arguments, or behind a cache.
function isCommand(command: string): boolean {
  const [name] = command.split(" ");
  const folders = name!.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name!), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The project's, npm's own as npx tells, or the one of the npm beside this Node. */
function findNodeGyp(): string {
  const prefix = join(dirname(realpathSync(process.execPath)), "..");
  const places = [
    inPackage(() => createRequire(join(process.cwd(), "package.json")).resolve("node-gyp/package.json")),
    process.env.npm_config_node_gyp,
    inPackage(() => join(prefix, "lib", "node_modules", "npm", "node_modules", "node-gyp", "package.json")),
  ];
  const found = places.find((place) => place !== undefined && existsSync(place));
  if (found !== undefined) return found;
  throw new FailureError("cannot build: node-gyp not found", {
    advice: "npm install --no-save node-gyp, then run it again; npx crabkv rebuild finds npm's own",
  });
}

function inPackage(manifest: () => string): string | undefined {
  try {
    return join(dirname(manifest()), "bin", "node-gyp.js");
  } catch {
    return undefined;
  }
}

/** The headers beside the running Node are its own, and need no download. */
function headers(): string[] {
  const prefix = join(dirname(process.execPath), "..");
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
}

function run(nodeGyp: string, args: readonly string[], cwd: string): void {
  const { status, signal, error } = spawnSync(
    process.execPath,
    [nodeGyp, args[0]!, "--loglevel=warn", ...args.slice(1)],
    {
      cwd,
      // What a compiler says is for the person, and not data.
      stdio: ["ignore", 2, 2],
    },
  );
  if (error !== undefined) throw new FailureError("node-gyp did not start", { cause: error });
  if (status !== 0)
    throw new FailureError(`node-gyp ${args[0]} failed (${status ?? signal})`, {
      advice: "the compiler's errors are above",
    });
}

/** Tried first; and by rename, because a process that has the old one loaded keeps it. */
function install(built: string): string {
  const folder = join(root, "build", "Release");
  const [binary, fresh] = [join(folder, "crabkv.node"), join(folder, "rebuilt.node")];
  mkdirSync(folder, { recursive: true });
  copyFileSync(built, fresh);
  const { status, stderr } = spawnSync(process.execPath, ["-e", "require(process.argv[1])", fresh], {
    encoding: "utf8",
  });
  if (status !== 0) throw new FailureError(`the binary that was built does not load: ${stderr.trim()}`);
  renameSync(fresh, binary);
  return binary;
}
