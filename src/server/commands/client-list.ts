// CLIENT LIST and INFO: what is told of connections.
import type { Connection } from "../connection.js";
import type { PubSub } from "../pubsub.js";
import { ErrorReply, FORM_RESP3, TextReply } from "../replies.js";
import type { Reply } from "../replies.js";
import type { ConnectionHost } from "../server.js";
import { parseInteger, SYNTAX_ERROR } from "./shared.js";

/** There are none of the other types that Redis knows. */
const clientTypes: ReadonlySet<string> = new Set(["normal", "master", "replica", "slave", "pubsub"]);

export type ConnectionFilter = (connection: Connection) => boolean;

/** Of TYPE, as LIST and KILL have it. */
export function filterOfType(word: string, pubsub: PubSub): ConnectionFilter | ErrorReply {
  const type = word.toLowerCase();
  if (!clientTypes.has(type)) return new ErrorReply(`ERR Unknown client type '${word}'`);
  return (connection) => type === (pubsub.countOf(connection) > 0 ? "pubsub" : "normal");
}

/** CLIENT LIST [TYPE type | ID id [id ...]] */
export function list({ connections, pubsub, replyBytesMax }: ConnectionHost, filter: readonly Buffer[]): Reply {
  const [option, ...values] = filter.map((word) => word.toString("latin1"));
  const all = [...connections.values()];
  const textOf = (chosen: readonly Connection[]): Reply => {
    let text = "";
    for (const connection of chosen) {
      text += `${lineOf(connection, pubsub)}\n`;
      if (text.length > replyBytesMax) break; // it is too large already: an id may be given a million times
    }
    return new TextReply(text);
  };
  if (option === undefined) return textOf(all);
  if (option.toLowerCase() === "type" && values.length === 1) {
    const isOfType = filterOfType(values[0]!, pubsub);
    return isOfType instanceof ErrorReply ? isOfType : textOf(all.filter(isOfType));
  }
  if (option.toLowerCase() !== "id" || values.length === 0) return SYNTAX_ERROR;
  const ids = filter.slice(1).map(parseInteger);
  if (ids.includes(undefined)) return new ErrorReply("ERR Invalid client ID");
  return textOf(ids.flatMap((id) => connections.get(Number(id)) ?? []));
}

/** One connection, without the line's end. */
export function lineOf(connection: Connection, pubsub: PubSub): string {
  const nowMs = Date.now();
  const fields = {
    id: connection.id,
    addr: connection.peerAddress,
    laddr: connection.localAddress,
    name: connection.name,
    age: Math.floor((nowMs - connection.times.createdAtMs) / 1000),
    idle: Math.floor((nowMs - connection.times.lastActiveMs) / 1000),
    db: 0,
    sub: pubsub.countOf(connection, "channels"),
    psub: pubsub.countOf(connection, "patterns"),
    omem: connection.waitingBytes,
    "tot-mem": connection.heldBytes,
    cmd: connection.lastCommand,
    user: "default",
    resp: connection.form === FORM_RESP3 ? 3 : 2,
    "lib-name": connection.clientLibrary.name,
    "lib-ver": connection.clientLibrary.version,
  };
  return Object.entries(fields)
    .map(([field, value]) => `${field}=${value}`)
    .join(" ");
}
