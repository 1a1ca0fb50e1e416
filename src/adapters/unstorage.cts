// `require("crabkv/unstorage")`: the very module that `import` gives, so there is one of everything.
import unstorage = require("./unstorage.js");

export = unstorage;
