// The package's version, from its package.json.
import { createRequire } from "node:module";

// dist/version.js and src/version.ts are both one folder below the package.
export const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string };
