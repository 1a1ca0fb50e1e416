// `require("crabkv/express-session")`: the very module that `import` gives, so there is one of everything.
import expressSession = require("./express-session.js");

export = expressSession;
