// `require("crabkv/server")`: the very module that `import` gives, so there is one of everything.
import server = require("./index.js");

export = server;
