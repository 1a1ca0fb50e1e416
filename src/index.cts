// `require("crabkv")`: the very module that `import` gives, so there is one of everything.
import crabkv = require("./index.js");

export = crabkv;
