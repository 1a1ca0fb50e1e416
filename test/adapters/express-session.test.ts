// Sessions of a real express application, over HTTP, and the store that keeps them asked directly.
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import express from "express";
import type { Express } from "express";
import session from "express-session";
import { expect, onTestFinished, test, vi } from "vitest";
import { SessionStore } from "../../src/adapters/express-session.js";
import type { SessionStoreOptions } from "../../src/adapters/express-session.js";
import { collect, temporaryDirectory, temporaryStore } from "../temporary.js";
import { browser, listening } from "./web.js";

declare module "express-session" {
  interface SessionData {
    views: number;
  }
}

/** Says how often a browser has asked; `/end` forgets it, `/new` gives it another session, `/look` changes nothing. */
function counter(store: session.Store, cookie: session.CookieOptions = {}): Express {
  const app = express();
  app.use(session({ store, secret: "quiet", resave: false, saveUninitialized: false, cookie }));
  app.get("/end", (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.send("ended")));
  });
  app.get("/new", (request, response, next) => {
    request.session.regenerate((error) => (error ? next(error) : response.send("new")));
  });
  app.get("/look", (request, response) => void response.send(`${request.session.views}`));
  app.get("/", (request, response) => {
    request.session.views = (request.session.views ?? 0) + 1;
    response.send(`${request.session.views}`);
  });
  return app;
}

async function sessionStore(options: Partial<SessionStoreOptions> = {}) {
  const db = await temporaryStore();
  const store = new SessionStore({ store: db, ...options });
  return {
    db,
    store,
    get: promisify(store.get.bind(store)),
    set: promisify(store.set.bind(store)),
    touch: promisify(store.touch.bind(store)),
    destroy: promisify(store.destroy.bind(store)),
    all: promisify(store.all.bind(store)),
    length: promisify(store.length.bind(store)),
    clear: promisify(store.clear.bind(store)),
  };
}

function sessionData(views: number, expires?: Date): session.SessionData {
  return JSON.parse(JSON.stringify({ cookie: { originalMaxAge: null, expires }, views })) as session.SessionData;
}

test("browsers have sessions of their own, which they can end and renew, and which outlive the application", async () => {
  const { db, store, all, length, clear } = await sessionStore();
  const url = await listening(counter(store));
  const [crab, shrimp] = [browser(url), browser(url)];
  expect([await crab(), await crab(), await shrimp(), await crab()]).toEqual(["1", "2", "1", "3"]);
  expect(await length()).toBe(2);
  expect((await all())!.map(({ views }) => views).sort()).toEqual([1, 3]);
  const ids = (await all())!.map(({ id }) => id);
  expect(await db.hasMany(ids.map((id) => `session:${id}`))).toEqual([true, true]);
  expect(await shrimp("/end")).toBe("ended");
  expect(await length()).toBe(1);
  expect([await crab("/new"), await crab(), await length()]).toEqual(["new", "1", 1]);
  const restarted = await listening(counter(new SessionStore({ store: db })));
  const again = browser(restarted);
  expect([await again(), await length()]).toEqual(["1", 2]);
  await db.put("elsewhere", "kept");
  await clear();
  expect([await length(), await all(), await crab()]).toEqual([0, [], "1"]);
  expect(await db.get("elsewhere")).toBe("kept");
});

test("a session ends with its cookie; asking for a page moves its end without writing it", async () => {
  const { db, store, length } = await sessionStore();
  const crab = browser(await listening(counter(store, { maxAge: 60_000 })));
  await crab();
  const [before] = await collect(db.records());
  expect(before!.expiresAtMs).toBeLessThanOrEqual(Date.now() + 60_000);
  await db.expire(before!.key, 30_000);
  expect(await crab("/look")).toBe("1");
  expect(await db.ttl(before!.key)).toBeGreaterThan(30_000);
  const [after] = await collect(db.records());
  expect(after).toMatchObject({ value: before!.value });
  await db.expire(before!.key, 20);
  await sleep(40);
  expect([await length(), await crab()]).toEqual([0, "1"]);
});

test("a session without an end lives for ttlMs since it was last used", async () => {
  const { db, get, set, touch, destroy } = await sessionStore({ ttlMs: 5000, prefix: "s/" });
  await set("1", sessionData(1));
  expect(await db.ttl("s/1")).toBeLessThanOrEqual(5000);
  await db.expire("s/1", 50_000);
  await touch("1", sessionData(7));
  expect(await db.ttl("s/1")).toBeLessThanOrEqual(5000);
  expect(await get("1")).toMatchObject({ views: 1 });
  await destroy("1");
  await touch("1", sessionData(1));
  expect([await get("1"), await db.has("s/1")]).toEqual([null, false]);
  const ever = new SessionStore({ store: db, ttlMs: Infinity });
  await promisify(ever.set.bind(ever))("2", sessionData(2));
  expect(await db.ttl("session:2")).toBe(Infinity);
});

test("a session whose cookie is over is not kept", async () => {
  const { get, set, touch, length } = await sessionStore();
  await set("1", sessionData(1, new Date(Date.now() + 60_000)));
  await set("2", sessionData(2, new Date(Date.now() + 60_000)));
  await set("1", sessionData(1, new Date(Date.now() - 1)));
  expect(await get("1")).toBeNull();
  await touch("2", sessionData(2, new Date(5)));
  expect([await get("2"), await length()]).toEqual([null, 0]);
});

test("errors reach the callback, and without one are a warning", async () => {
  const { db, store, get, all } = await sessionStore();
  await db.put("session:bad", "{");
  await expect(get("bad")).rejects.toBeInstanceOf(SyntaxError);
  await expect(all()).rejects.toBeInstanceOf(SyntaxError);
  await db.close();
  await expect(get("1")).rejects.toMatchObject({ code: "CRABKV_CLOSED" });
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  onTestFinished(() => warn.mockRestore());
  store.destroy("1");
  await vi.waitFor(() => expect(warn).toHaveBeenCalledWith(expect.objectContaining({ code: "CRABKV_CLOSED" })));
});

test("what a callback throws is an exception of the process, and not an error of the store", async () => {
  const { store } = await sessionStore();
  const thrown = new Error("of the callback");
  const caught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
  onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null));
  const calls: unknown[] = [];
  store.get("none", (error, found) => {
    calls.push([error, found]);
    throw thrown;
  });
  expect(await caught).toBe(thrown);
  expect(calls).toEqual([[null, null]]);
});

test("it opens a directory itself, and closes it", async () => {
  const dataDir = `${temporaryDirectory()}/sessions`;
  for (const expected of ["1", "2"]) {
    const store = new SessionStore({ dataDir, sync: "os" });
    const set = promisify(store.set.bind(store));
    await set(expected, sessionData(1));
    expect(`${await promisify(store.length.bind(store))()}`).toBe(expected);
    await store.close();
  }
  expect(() => new SessionStore({ dataDir, ttlMs: 0 })).toThrow("ttlMs must be a positive integer");
  expect(() => new SessionStore({ dataDir, ttl: 5 } as never)).toThrow("unknown option ttl");
});
