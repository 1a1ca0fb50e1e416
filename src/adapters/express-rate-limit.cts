// `require("crabkv/express-rate-limit")`: the very module that `import` gives, so there is one of everything.
import expressRateLimit = require("./express-rate-limit.js");

export = expressRateLimit;
