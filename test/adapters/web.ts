// An express application of a test, served over HTTP until the test is over.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Express } from "express";
import { onTestFinished } from "vitest";

/** Where the application is. */
export async function listening(app: Express): Promise<string> {
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client that keeps its cookie; each call answers with what the page says. */
export function browser(url: string): (path?: string) => Promise<string> {
  let cookie = "";
  return async (path = "/") => {
    const reply = await fetch(url + path, { headers: { cookie } });
    cookie = (reply.headers.get("set-cookie") ?? cookie).split(";")[0]!;
    return reply.text();
  };
}
