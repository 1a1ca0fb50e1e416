// The package's version, from its package.json. CommonJS, so that bundlers follow the path and take it along.

// dist/version.cjs and src/version.cts are both one folder below the package.
const { version } = require("../package.json") as { readonly version: string };

export = { version };
