// `crabkv doctor` and `crabkv rebuild`, also where no native binary works: then they are all that does.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Examination } from "../src/cli/doctor/examination.js";
import { findMount } from "../src/cli/doctor/file-system.js";
import { odditiesOf } from "../src/cli/doctor/oddities.js";
import { crabkv } from "./run-program.js";
import { temporaryDirectory } from "./temporary.js";

const healthy: Examination = {
  platform: { system: "linux", processor: "x64", kernel: "6.1.0", libc: "glibc 2.36" },
  versions: { crabkv: "0.1.0", node: "22.23.3", v8: "12", napi: "10" },
  binary: { path: "/p/prebuilds/linux-x64-glibc/crabkv.node", origin: "prebuilt" },
  failedBinaries: [{ path: "/p/build/Release/crabkv.node", message: "Cannot find module '…'" }],
  fileSystem: {
    directory: "/var/data",
    type: "ext4",
    mountPoint: "/var",
    mountOptions: ["rw", "relatime"],
    freeBytes: 1e11,
    totalBytes: 1e12,
    freeFiles: 1e6,
  },
  sync: { syncs: 50, medianMs: 0.2, minMs: 0.1, maxMs: 3 },
  syncFailure: undefined,
  limits: { openFiles: 65536, processors: 2, memoryBytes: 8e9, memoryLimitBytes: undefined },
  preloaded: undefined,
};

const onFileSystem = (change: Partial<Examination["fileSystem"]>): Examination => ({
  ...healthy,
  fileSystem: { ...healthy.fileSystem, ...change },
});
const syncing = (medianMs: number): Examination => ({ ...healthy, sync: { ...healthy.sync!, medianMs } });

test("a healthy machine has nothing odd", () => {
  expect(odditiesOf(healthy)).toEqual([]);
});

test.each<[string, Examination, RegExp, boolean]>([
  ["no binary", { ...healthy, binary: undefined }, /no native binary.*rebuild/s, true],
  [
    "a local build that does not load",
    { ...healthy, failedBinaries: [{ path: "/p/build/Release/crabkv.node", message: "GLIBC_2.38 not found" }] },
    /does not load: GLIBC_2.38.*rebuild/s,
    false,
  ],
  ["CRABKV_ADDON", { ...healthy, binary: { path: "/x.node", origin: "CRABKV_ADDON" } }, /CRABKV_ADDON/, false],
  ["an old Node", { ...healthy, versions: { ...healthy.versions, node: "20.11.0" } }, /with Node 20.11.0/, false],
  ["a Node between", { ...healthy, versions: { ...healthy.versions, node: "21.7.3" } }, /with Node 21.7.3/, false],
  ["memory", onFileSystem({ type: "tmpfs" }), /tmpfs is memory/, false],
  ["a network", onFileSystem({ type: "nfs4" }), /network file system/, false],
  ["a container's layer", onFileSystem({ type: "overlay" }), /mount a volume/, false],
  ["FUSE", onFileSystem({ type: "fuse.sshfs" }), /program's file system/, false],
  ["FAT", onFileSystem({ type: "vfat" }), /no hard links/, false],
  ["read-only", onFileSystem({ mountOptions: ["ro"] }), /read-only/, true],
  ["no barriers", onFileSystem({ mountOptions: ["rw", "nobarrier"] }), /barriers are off/, false],
  ["mounted sync", onFileSystem({ mountOptions: ["rw", "sync"] }), /mounted sync/, false],
  ["a full disk", onFileSystem({ freeBytes: 1e6 }), /less than 1 GiB/, false],
  ["no inodes", onFileSystem({ freeFiles: 3 }), /few files/, false],
  ["slow syncs", syncing(45), /syncs are slow.*everyMs/s, false],
  ["no syncs at all", syncing(0.001), /faster than a disk can be/, false],
  ["libeatmydata", { ...healthy, preloaded: "/usr/lib/libeatmydata.so" }, /libeatmydata is loaded/, false],
  ["no rights", { ...healthy, sync: undefined, syncFailure: "EACCES" }, /nothing can be written.*EACCES/, true],
  ["few files", { ...healthy, limits: { ...healthy.limits, openFiles: 256 } }, /only 256 files.*ulimit/s, false],
  ["little memory", { ...healthy, limits: { ...healthy.limits, memoryLimitBytes: 1e8 } }, /256 MiB of memory/, false],
])("%s is told, with what to do", (_, examination, message, problem) => {
  const found = odditiesOf(examination);
  expect(found.map(({ what, advice }) => `${what}\n${advice}`)).toEqual([expect.stringMatching(message)]);
  expect(found[0]!.problem).toBe(problem);
});

test("a path's mount is the last one over it, whatever its name", () => {
  const mountinfo = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
    "30 22 0:25 / /mnt rw - tmpfs tmpfs rw,size=1k",
    "31 22 8:17 / /mnt/a\\040disk rw,noatime - xfs /dev/sdb1 rw,attr2",
    "32 22 8:33 / /mnt/a\\040disk rw - btrfs /dev/sdc1 ro,ssd",
    "33 22 8:33 / /mnt/a rw - vfat /dev/sdd1 rw",
    "",
  ].join("\n");
  expect(findMount(mountinfo, "/var/data")).toEqual({
    mountPoint: "/",
    type: "ext4",
    options: ["rw", "relatime", "errors=remount-ro"],
  });
  expect(findMount(mountinfo, "/mnt")?.type).toBe("tmpfs");
  expect(findMount(mountinfo, "/mnt/a disk/data")).toEqual({
    mountPoint: "/mnt/a disk",
    type: "btrfs",
    options: ["rw", "ro", "ssd"],
  });
  expect(findMount(mountinfo, "/mnt/apart")?.type).toBe("tmpfs");
});

test("doctor tells of this machine, and leaves nothing behind", async () => {
  const cwd = temporaryDirectory();
  mkdirSync(join(cwd, "data"));
  const { code, stdout, stderr } = await crabkv(["doctor", "--json"], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { fileSystem, sync, binary, platform } = JSON.parse(stdout) as Examination;
  expect(fileSystem.directory).toBe(join(cwd, "data"));
  expect(sync!.medianMs).toBeGreaterThan(0);
  expect(binary!.path).toMatch(/crabkv\.node$/);
  expect(platform.processor).toBe(process.arch);
  expect(readdirSync(join(cwd, "data"))).toEqual([]);
  const text = await crabkv(["doctor", "--data-dir", "none/yet"], { cwd });
  expect(text.stdout).toMatch(new RegExp(`^directory +${cwd}$`, "m"));
  expect(text.stdout).toMatch(/^a sync takes +[\d.]+ m?s \(median of \d+/m);
});

test("where no binary works, doctor and rebuild do, and the rest says so", async () => {
  const cwd = temporaryDirectory();
  const env = { CRABKV_ADDON: join(cwd, "none.node") };
  const doctor = await crabkv(["doctor"], { cwd, env });
  expect(doctor.code).toBe(4);
  expect(doctor.stdout).toMatch(/^binary +none$/m);
  expect(doctor.stdout).toContain(`${env.CRABKV_ADDON}: Cannot find module`);
  expect(doctor.stdout).toMatch(/^problem: no native binary works here\n {2}hint: npx crabkv rebuild/m);
  const get = await crabkv(["get", "k", "--ttl", "5"], { cwd, env });
  expect(get.code).toBe(4);
  expect(get.stderr).toMatch(/no native binary works for .*npx crabkv rebuild.*CRABKV_NO_BINARY/s);
  const json = await crabkv(["get", "k", "--json"], { cwd, env });
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "CRABKV_NO_BINARY" }, exitCode: 4 });
  const rebuild = await crabkv(["rebuild"], { cwd, env: { ...env, PATH: cwd, CXX: "no-compiler" } });
  expect(rebuild.code).toBe(4);
  expect(rebuild.stderr).toMatch(
    /^crabkv: cannot build: python3, make, a C\+\+17 compiler not found\nhint: apt-get install .*\n$/,
  );
});
