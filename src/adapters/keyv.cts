// `require("crabkv/keyv")`: the very module that `import` gives, so there is one of everything.
import keyv = require("./keyv.js");

export = keyv;
