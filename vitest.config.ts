// The TypeScript tests. Each file runs in a process of its own, because what is tested is process-wide: stores, threads and
// the addon. CRABKV_ADDON names another crabkv.node (a sanitizer build); src/addon.cts reads it.
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

/** What takes longest. Begun late, one of them would run alone at the end. */
const longest = ["test/model/model.test.ts", "test/crash/power-cuts.test.ts"];

// By itself vitest knows how long files take only where it has run before, and goes by their sizes elsewhere.
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => longest.some((name) => moduleId.endsWith(name));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  // By default vite takes .cts for JavaScript.
  esbuild: { include: /\.[cm]?ts$/ },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "build-variants/**"],
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
