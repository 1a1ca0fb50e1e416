// COMPACT and BGREWRITEAOF: one waits for the compaction, the other only starts it.
import type { CommandContext } from "../commands.js";
import { ErrorReply, OK, Status, TextReply } from "../replies.js";
import type { Reply } from "../replies.js";
import { SYNTAX_ERROR } from "./shared.js";

const STARTED = new Status("Background append only file rewriting started");
const IN_PROGRESS = new ErrorReply("ERR Background append only file rewriting already in progress");
const CANNOT = new ErrorReply(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);

/** COMPACT [JSON]: all that was overwritten, deleted or has expired goes, as far as the store can. With JSON it says what went. */
export async function compact({ server, arguments: words }: CommandContext): Promise<Reply> {
  const wantsReport = words[1]?.toString("latin1").toLowerCase() === "json";
  if (words.length > (wantsReport ? 2 : 1)) return SYNTAX_ERROR;
  const report = await server.compactions.run();
  return wantsReport ? new TextReply(JSON.stringify(report)) : OK;
}

/** BGREWRITEAOF: the same, in the background. INFO tells when and how it ends. */
export function bgrewriteaof({ server }: CommandContext): Reply {
  const { compactions, store } = server;
  if (compactions.inProgress) return IN_PROGRESS;
  if (store.failure !== undefined) return CANNOT;
  compactions.run().catch(() => undefined);
  return STARTED;
}
