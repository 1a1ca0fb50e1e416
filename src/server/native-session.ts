// A session of the addon (native/protocol/session.h) with the memory that its replies come in. Calls throw when the store is
// closed.
import {
  EXEC_COMMITTED,
  EXEC_NONE,
  native,
  RESULT_EXEC_FATE,
  RESULT_EXECUTING,
  RESULT_HELD_BYTES,
  RESULT_MIDWAY,
  RESULT_NOTIFICATION_BYTES,
  RESULT_REPLIES,
  RESULT_REPLY_BYTES,
  RESULT_REPLY_FORM,
  RESULT_REPLY_GROUP,
  results,
  SET_AUTHENTICATED,
  SET_CLOSE_AFTER_REPLIES,
  SET_FORGET,
  SET_FORM,
  SET_MUTE,
  SET_SUBSCRIBED,
  SET_TRIM,
} from "../native.js";
import type { Group, SessionOutcome } from "../native.js";
import type { Session } from "../session.js";
import type { Output } from "./output.js";
import type { ReplyForm } from "./replies.js";
import { currentSlab, slabWithRoom } from "./reply-slabs.js";

/** Of a command, or what an EXEC runs, in TypeScript: each is a value of its own, which takes time to make. A name, and 65,536 more. */
export const WORDS_UP_MAX = 65_537;

export class NativeSession {
  readonly #store: Session;
  readonly #id: number;

  constructor(store: Session, nativeServer: number) {
    this.#store = store;
    this.#id = native.sessionOpen(store.handle, nativeServer);
  }

  // --- Each of these is to be followed by takeReplies().

  feed(chunk: Buffer): SessionOutcome {
    const { buffer, used } = slabWithRoom();
    return native.sessionFeed(this.#store.handle, this.#id, chunk, buffer, used);
  }

  resume(): SessionOutcome {
    const { buffer, used } = slabWithRoom();
    return native.sessionResume(this.#store.handle, this.#id, buffer, used);
  }

  /** The command that went up runs natively. `captures`: its reply is asked for with takeCaptured(). */
  proceed(captures: boolean): SessionOutcome {
    const { buffer, used } = slabWithRoom();
    return native.sessionProceed(this.#store.handle, this.#id, buffer, used, captures);
  }

  /** The command that went up has been answered. */
  answer(reply: Buffer): SessionOutcome {
    const { buffer, used } = slabWithRoom();
    return native.sessionAnswer(this.#store.handle, this.#id, reply, buffer, used);
  }

  /** What the last of the calls above gave goes to the output. */
  takeReplies(output: Output): void {
    const length = results[RESULT_REPLY_BYTES]!;
    if (length === 0) return;
    const group = results[RESULT_REPLY_GROUP]!;
    const replies = results[RESULT_REPLIES]!;
    const slab = currentSlab();
    if (length <= slab.room) {
      output.send({ bytes: slab.take(length), group, replies, slab });
    } else {
      const own = Buffer.allocUnsafeSlow(length);
      native.sessionTake(this.#store.handle, this.#id, own);
      output.send({ bytes: own, group, replies });
    }
  }

  /** After the last call: memory that it keeps for an unfinished request, MULTI and WATCH. */
  get heldBytes(): number {
    return results[RESULT_HELD_BYTES]!;
  }

  /** After OUTCOME_REPLIED: the reply. */
  takeCaptured(): Buffer {
    const length = results[RESULT_REPLY_BYTES]!;
    const own = Buffer.allocUnsafeSlow(length);
    const { buffer, used, room } = currentSlab();
    if (length > room) native.sessionTake(this.#store.handle, this.#id, own);
    else buffer.copy(own, 0, used, used + length);
    return own;
  }

  /** After the last call: how it answers. */
  get form(): ReplyForm {
    return results[RESULT_REPLY_FORM] as ReplyForm;
  }

  /** After the last call: whether a request has begun that is not there in full. */
  get isMidway(): boolean {
    return results[RESULT_MIDWAY] !== 0;
  }

  /** After the last call: of the replies that it gave. */
  get replyBytes(): number {
    return results[RESULT_REPLY_BYTES]!;
  }

  /** After the last call: whether it gave replies. */
  get hasReplied(): boolean {
    return results[RESULT_REPLIES] !== 0;
  }

  /** After the last call: undefined when no EXEC has ended in it; else the group of the first that did, or that it was not committed. */
  get endedExec(): { readonly group: Group | undefined } | undefined {
    const fate = results[RESULT_EXEC_FATE];
    if (fate === EXEC_NONE) return undefined;
    return { group: fate === EXEC_COMMITTED ? results[RESULT_REPLY_GROUP]! : undefined };
  }

  /** After the last call: keyspace notifications of what it has committed, and the group that they wait for. */
  takeNotifications(): { readonly bytes: Buffer; readonly group: Group } | undefined {
    const length = results[RESULT_NOTIFICATION_BYTES]!;
    if (length === 0) return undefined;
    const group = results[RESULT_REPLY_GROUP]!;
    const bytes = Buffer.allocUnsafeSlow(length);
    native.sessionTakeNotifications(this.#store.handle, this.#id, bytes);
    return { bytes, group };
  }

  /** After OUTCOME_UP: whether it is a command of the EXEC that is under way. */
  get isExecuting(): boolean {
    return results[RESULT_EXECUTING] !== 0;
  }

  /** Of the command that went up; of more than WORDS_UP_MAX the first, and one too many. */
  arguments(): Buffer[] {
    return native.sessionArguments(this.#store.handle, this.#id, WORDS_UP_MAX + 1);
  }

  /** What the EXEC that went up would run; undefined when that is more than WORDS_UP_MAX words. */
  queued(): Buffer[][] | undefined {
    return native.sessionQueued(this.#store.handle, this.#id, WORDS_UP_MAX);
  }

  /** Makes another command of the one that went up, or of one that its EXEC would run. False when that cannot run there. */
  replace(queued: number | undefined, words: readonly Buffer[]): boolean {
    const lengths = Uint32Array.from(words, (word) => word.length);
    return native.sessionReplace(this.#store.handle, this.#id, queued, Buffer.concat(words), lengths);
  }

  runJob(): Promise<void> {
    return native.sessionRunJob(this.#store.handle, this.#id);
  }

  setForm(form: ReplyForm): void {
    this.#set(SET_FORM, form);
  }

  setAuthenticated(authenticated: boolean): void {
    this.#set(SET_AUTHENTICATED, authenticated ? 1 : 0);
  }

  /** One of MUTE_NONE, MUTE_NEXT, MUTE_ALL. */
  mute(which: number): void {
    this.#set(SET_MUTE, which);
  }

  setSubscribed(subscribed: boolean): void {
    this.#set(SET_SUBSCRIBED, subscribed ? 1 : 0);
  }

  /** The connection is quiet: memory that is kept to be used again is given back. Then heldBytes is of now. */
  trim(): boolean {
    if (this.#store.handle === 0) return false;
    this.#set(SET_TRIM, 0);
    return true;
  }

  /** No MULTI, no WATCH. */
  forget(): void {
    this.#set(SET_FORGET, 0);
  }

  closeAfterReplies(): void {
    this.#set(SET_CLOSE_AFTER_REPLIES, 0);
  }

  end(): void {
    native.sessionEnd(this.#store.handle, this.#id);
  }

  #set(property: number, value: number): void {
    native.sessionSet(this.#store.handle, this.#id, property, value);
  }
}
