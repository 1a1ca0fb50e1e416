// HELLO, SELECT, RESET and CLIENT: what a connection says of itself.
import type { CommandContext, CommandResult } from "../commands.js";
import type { Connection } from "../connection.js";
import { lineOf, list } from "./client-list.js";
import { kill, noEvict, pause, reply } from "./clients.js";
import { authenticate } from "./auth.js";
import { ErrorReply, FORM_RESP2, FORM_RESP3, OK, Status, TextReply } from "../replies.js";
import type { Reply, ReplyForm } from "../replies.js";
import { NOT_AN_INTEGER, parseInteger, REDIS_VERSION } from "./shared.js";

const NOT_AN_INT = new ErrorReply("ERR value is out of range, value must between -2147483648 and 2147483647");

const HELLO_NEEDS_AUTH = new ErrorReply(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can " +
    "be used to authenticate the client and select the RESP protocol version at the same time",
);

/** They are kept as long as the connection is, and CLIENT LIST shows all of them. */
const NAME_BYTES_MAX = 1024;

/** What is wrong with a name that a client gives itself or its library, if anything. */
function faultOf(name: string, what = "Client names"): ErrorReply | undefined {
  if (name.length > NAME_BYTES_MAX) return new ErrorReply(`ERR ${what} cannot have more than ${NAME_BYTES_MAX} bytes.`);
  if (/^[!-~]*$/.test(name)) return undefined;
  return new ErrorReply(`ERR ${what} cannot contain spaces, newlines or special characters.`);
}

/** HELLO [version [AUTH user password] [SETNAME name]] */
export function hello(context: CommandContext): Reply | Promise<Reply> {
  const { connection, arguments: words } = context;
  let credentials: readonly [user: Buffer, password: Buffer] | undefined;
  let form: ReplyForm = connection.form === FORM_RESP3 ? FORM_RESP3 : FORM_RESP2;
  let name: string | undefined;
  if (words.length > 1) {
    const version = words[1]!.toString("latin1");
    if (!/^-?\d+$/.test(version)) return new ErrorReply("ERR Protocol version is not an integer or out of range");
    if (version !== "2" && version !== "3") return new ErrorReply("NOPROTO unsupported protocol version");
    form = version === "3" ? FORM_RESP3 : FORM_RESP2;
  }
  for (let i = 2; i < words.length; i++) {
    const option = words[i]!.toString("latin1");
    if (option.toLowerCase() === "auth" && i + 2 < words.length) {
      credentials = [words[i + 1]!, words[i + 2]!];
      i += 2;
    } else if (option.toLowerCase() === "setname" && i + 1 < words.length) {
      name = words[++i]!.toString("latin1");
      const fault = faultOf(name);
      if (fault !== undefined) return fault;
    } else {
      return new ErrorReply(`ERR Syntax error in HELLO option '${option}'`);
    }
  }
  const refusal = credentials === undefined ? undefined : authenticate(context, ...credentials);
  if (refusal !== undefined) return refusal;
  if (!connection.authenticated) return HELLO_NEEDS_AUTH;
  if (name !== undefined) connection.name = name;
  connection.setForm(form);
  return new Map<string, Reply>([
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", form === FORM_RESP3 ? 3 : 2],
    ["id", connection.id],
    ["mode", "standalone"],
    ["role", "master"],
    ["modules", []],
  ]);
}

/** SELECT 0: there is one database. */
export function select({ arguments: words }: CommandContext): Reply {
  const number = parseInteger(words[1]!);
  if (number === undefined) return NOT_AN_INTEGER;
  if (BigInt.asIntN(32, number) !== number) return NOT_AN_INT;
  return number === 0n ? OK : new ErrorReply("ERR DB index is out of range");
}

export function reset({ connection }: CommandContext): Reply {
  connection.reset();
  return new Status("RESET");
}

/** CLIENT ID | GETNAME | SETNAME | SETINFO, and what client-list.ts and clients.ts have. */
export function client(context: CommandContext): CommandResult {
  const { connection, server, arguments: words } = context;
  const subcommand = words[1]!.toString("latin1").toLowerCase();
  switch (subcommand) {
    case "id":
      return connection.id;
    case "getname":
      return connection.name === "" ? null : connection.name;
    case "setname":
      return setName(connection, words[2]!);
    case "setinfo":
      return setInfo(connection, words[2]!, words[3]!);
    case "info":
      return new TextReply(`${lineOf(connection, server.pubsub)}\n`);
    case "list":
      return list(server, words.slice(2));
    case "kill":
      return kill(context);
    case "pause":
      return pause(context);
    case "unpause":
      server.pause.end();
      return OK;
    case "reply":
      return reply(context);
    case "no-evict":
      return noEvict(context);
    default:
      return undefined; // HELP, and what there is not: the table's
  }
}

function setName(connection: Connection, bytes: Buffer): Reply {
  const name = bytes.toString("latin1");
  const fault = faultOf(name);
  if (fault === undefined) connection.name = name;
  return fault ?? OK;
}

function setInfo(connection: Connection, attribute: Buffer, bytes: Buffer): Reply {
  const value = bytes.toString("latin1");
  const name = attribute.toString("latin1").toLowerCase();
  if (name !== "lib-name" && name !== "lib-ver") return new ErrorReply(`ERR Unrecognized option '${name}'`);
  const fault = faultOf(value, name);
  if (fault === undefined) connection.clientLibrary[name === "lib-name" ? "name" : "version"] = value;
  return fault ?? OK;
}
