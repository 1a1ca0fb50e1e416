// The public exports of crabkv/server, and nothing else.
export { serve } from "./serve.js";
export type { TlsOptions } from "./endpoints.js";
export type { ListeningAddress } from "./listener.js";
export type { ServeOptions, TextStyle } from "./options.js";
export type { Server, ServerAddress } from "./server.js";
