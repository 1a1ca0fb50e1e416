// COMPACT and BGREWRITEAOF: one waits for the compaction, the other only starts it.
import type { CommandContext } from "../commands.js";
import { ErrorReply, OK, Status } from "../replies.js";
import type { Reply } from "../replies.js";

const STARTED = new Status("Background append only file rewriting started");
const IN_PROGRESS = new ErrorReply("ERR Background append only file rewriting already in progress");
const CANNOT = new ErrorReply(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);

/** COMPACT: all that was overwritten, deleted or has expired goes, as far as the store can. */
export async function compact({ server }: CommandContext): Promise<Reply> {
  await server.compactions.run();
  return OK;
}

/** BGREWRITEAOF: the same, in the background. INFO tells when and how it ends. */
export function bgrewriteaof({ server }: CommandContext): Reply {
  const { compactions, store } = server;
  if (compactions.inProgress) return IN_PROGRESS;
  if (store.failure !== undefined) return CANNOT;
  compactions.run().catch(() => undefined);
  return STARTED;
}
