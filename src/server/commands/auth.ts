// AUTH, and the AUTH of HELLO.
import { setTimeout as after } from "node:timers/promises";
import type { CommandContext } from "../commands.js";
import { delayAfter } from "../password.js";
import { ErrorReply, OK } from "../replies.js";
import type { Reply } from "../replies.js";

const WRONG_PASSWORD = new ErrorReply("WRONGPASS invalid username-password pair or user is disabled.");
const NO_PASSWORD = new ErrorReply(
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);

/** AUTH [user] password */
export function auth(context: CommandContext): Reply | Promise<Reply> {
  const { arguments: words, server } = context;
  if (words.length > 3) return new ErrorReply("ERR syntax error");
  if (words.length === 2 && server.password === undefined) return NO_PASSWORD;
  const user = words.length === 3 ? words[1]! : Buffer.from("default");
  return authenticate(context, user, words[words.length - 1]!) ?? OK;
}

/** There is one user, "default". Undefined when it is this one; else the error, which takes longer with each failure. */
export function authenticate(context: CommandContext, user: Buffer, password: Buffer): Promise<ErrorReply> | undefined {
  const { connection, server } = context;
  const matches = server.password === undefined || server.password.matches(password);
  if (matches && user.toString("latin1") === "default") {
    connection.setAuthenticated(true);
    return undefined;
  }
  const delayMs = delayAfter(connection.failedPasswords++);
  server.logEvents?.wrongPassword(connection);
  return after(delayMs, WRONG_PASSWORD);
}
