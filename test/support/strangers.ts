// Things that listen where a server should: banner senders, web servers, the silent, the frozen. For tests of what a
// connection attempt makes of them. All on loopback, on ports that the system picks.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Stranger extends AsyncDisposable {
  readonly port: number;
}

async function listening(server: Server, sockets: Set<Socket>): Promise<Stranger> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A server whose every connection is handled by `handle`. */
export async function stranger(handle: (socket: Socket) => void): Promise<Stranger> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    handle(socket);
  });
  return await listening(server, sockets);
}

/** Answers every chunk with the next of `answers`, then stays silent. */
export function answering(...answers: readonly (Buffer | string)[]): Promise<Stranger> {
  return stranger((socket) => {
    const left = [...answers];
    socket.on("data", () => {
      const answer = left.shift();
      if (answer !== undefined) socket.write(answer);
    });
  });
}

/** Speaks first, like sshd or a mail server. */
export function banner(text: string): Promise<Stranger> {
  return stranger((socket) => socket.write(text));
}

export async function webServer(): Promise<Stranger> {
  return await listening(
    createHttpServer((_, response) => response.end("hello")),
    new Set(),
  );
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const one = await stranger(() => undefined);
  await one[Symbol.asyncDispose]();
  return one.port;
}

/** A process that listens, is frozen, and whose queue of connections is full: further attempts get no answer at all. */
export async function blackHole(): Promise<Stranger> {
  const program =
    'const s = require("net").createServer(); s.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))';
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(first.toString());
  child.kill("SIGSTOP");
  const waiting: Socket[] = [];
  // The queue takes one or two more than it was asked for, depending on the kernel.
  while (await accepted(port, waiting)) continue;
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function accepted(port: number, waiting: Socket[]): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  waiting.push(socket);
  return await Promise.race([
    once(socket, "connect").then(() => true),
    new Promise<boolean>((resolve) => {
      setTimeout(resolve, 300, false);
    }),
  ]);
}
