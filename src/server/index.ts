// The public exports of crabkv/server, and nothing else.
export { serve } from "./serve.js";
export type { TlsOptions } from "./endpoints.js";
export type { ListeningAddress } from "./listener.js";
export type { ServeOptions, ServerLog, TextStyle } from "./options.js";
export type { Server, ServerAddress } from "./server.js";
export type {
  ChangeableCommand,
  CommandHook,
  CommandMessage,
  HookConnection,
  HookContext,
  HookOptions,
} from "./hooks.js";
export { ErrorReply, SetReply, Status, TextReply } from "./replies.js";
export type { Reply } from "./replies.js";
