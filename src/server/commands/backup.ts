// SAVE, BGSAVE and LASTSAVE: backups into the directory that the server was given.
import type { CommandContext } from "../commands.js";
import type { ConnectionHost } from "../server.js";
import { ErrorReply, OK, Status } from "../replies.js";
import type { Reply } from "../replies.js";
import { SYNTAX_ERROR } from "./shared.js";

const STARTED = new Status("Background saving started");
const IN_PROGRESS = new ErrorReply("ERR Background save already in progress");
const NOWHERE = new ErrorReply("ERR this server was not told where to save: --backup-dir");

function refusal({ backups }: ConnectionHost): ErrorReply | undefined {
  if (backups.directory === undefined) return NOWHERE;
  return backups.inProgress ? IN_PROGRESS : undefined;
}

/** SAVE: answers when the backup is done. Unlike Redis, nobody else waits for it. */
export async function save({ server }: CommandContext): Promise<Reply> {
  const refused = refusal(server);
  if (refused !== undefined) return refused;
  await server.backups.run();
  return OK;
}

/** BGSAVE [SCHEDULE]: the same, in the background. INFO tells how it ends. */
export function bgsave({ server, arguments: words }: CommandContext): Reply {
  if (words.length > 2 || (words[1] !== undefined && words[1].toString("latin1").toLowerCase() !== "schedule")) {
    return SYNTAX_ERROR;
  }
  const refused = refusal(server);
  if (refused !== undefined) return refused;
  server.backups.run().catch(() => undefined);
  return STARTED;
}

/** Since the last backup, or since the server began: what is not in one is in the log. */
export function lastSave({ server }: CommandContext): Reply {
  return Math.floor((server.backups.lastSavedAtMs ?? server.startedAtMs) / 1000);
}
