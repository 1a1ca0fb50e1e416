// The public exports of crabkv/server, and nothing else.
export { serve } from "./serve.js";
export type { ServeOptions, TextStyle } from "./options.js";
export type { Server, ServerAddress } from "./server.js";
