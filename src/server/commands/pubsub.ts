// SUBSCRIBE and its like, PUBLISH, PUBSUB.
import { native } from "../../native.js";
import type { CommandContext, CommandResult } from "../commands.js";
import type { SubscriptionKind } from "../pubsub.js";
import { ErrorReply, ManyReplies, PushReply, tooLarge } from "../replies.js";
import type { Reply } from "../replies.js";
import { wrongSubcommand } from "./shared.js";

/** Of a confirmation, beside the name. */
const CONFIRMATION_BYTES = 64;

const TOO_MANY = new ErrorReply("ERR too many subscriptions");

export const subscribe = (context: CommandContext): Reply => change(context, "subscribe", "channels");
export const psubscribe = (context: CommandContext): Reply => change(context, "psubscribe", "patterns");
export const unsubscribe = (context: CommandContext): Reply => change(context, "unsubscribe", "channels");
export const punsubscribe = (context: CommandContext): Reply => change(context, "punsubscribe", "patterns");

/** Each name is answered by itself: so many replies, of a command that has one by all other means. */
function change({ connection, server, arguments: words }: CommandContext, word: string, kind: SubscriptionKind): Reply {
  const { pubsub } = server;
  const adds = !word.includes("un");
  const all = !adds && words.length === 1 ? pubsub.namesOf(connection, kind) : undefined;
  const names = all ?? words.slice(1).map((name) => name.toString("latin1"));
  const bytes = names.reduce((sum, name) => sum + name.length + CONFIRMATION_BYTES, 0);
  if (bytes > server.replyBytesMax) return tooLarge(server.replyBytesMax); // nothing was done
  const replies: Reply[] = [];
  const confirm = (name: Buffer | null): unknown =>
    replies.push(new PushReply([word, name, pubsub.countOf(connection)]));
  for (const name of names) {
    if (!adds) pubsub.unsubscribe(connection, kind, name);
    else if (!pubsub.subscribe(connection, kind, name)) {
      replies.push(TOO_MANY);
      break;
    }
    confirm(Buffer.from(name, "latin1"));
  }
  if (names.length === 0) confirm(null);
  connection.setSubscribed(pubsub.countOf(connection) > 0);
  return new ManyReplies(replies);
}

/** PUBLISH channel message */
export function publish({ connection, server, isExecuting, arguments: words }: CommandContext): Reply {
  const [channel, message] = [words[1]!, words[2]!];
  if (!isExecuting) return server.pubsub.publish(channel, message, 0);
  server.pubsub.defer(connection, channel, message);
  return server.pubsub.receiversOf(channel);
}

/** PUBSUB CHANNELS [pattern] | NUMSUB [channel ...] | NUMPAT */
export function pubsub({ server, arguments: words }: CommandContext): CommandResult {
  switch (words[1]!.toString("latin1").toLowerCase()) {
    case "channels": {
      if (words.length > 3) return wrongSubcommand(words);
      const channels = server.pubsub.channels.map((name) => Buffer.from(name, "latin1"));
      return words.length === 2 ? channels : channels.filter((name) => native.matchesPattern(words[2]!, name));
    }
    case "numsub":
      return words.slice(2).flatMap((name) => [name, server.pubsub.subscribersOf(name.toString("latin1"))]);
    case "numpat":
      return server.pubsub.patternCount;
    default:
      return undefined; // HELP, and what there is not: the table's
  }
}
