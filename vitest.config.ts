// The TypeScript tests. Each file runs in a process of its own, because what is tested is process-wide: stores, threads and
// the addon. CRABKV_ADDON names another crabkv.node (a sanitizer build); src/native.ts reads it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  // By default vite takes .cts for JavaScript.
  esbuild: { include: /\.[cm]?ts$/ },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "build-variants/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
