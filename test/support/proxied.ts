// Servers reached through proxies on this machine, which can be cut off all at once as by a network that is gone: from then
// on nothing comes through in either direction, new connections included, and nobody is told. For machines on which no
// network namespace can be made. They are cut by a file, so that another process can do it at a certain moment.

import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { stranger } from "./strangers.ts";

export interface Proxied extends AsyncDisposable {
  /** Once there is a file of this name the proxies are cut. */
  readonly link: string;
  /** The proxy's port of a server's. */
  portOf(port: number): number;
}

/** One direction. What one side closes the other is told, unless that is cut. */
function forward(from: Socket, to: Socket, isCut: () => boolean): void {
  from.on("data", (chunk) => {
    if (!isCut()) to.write(chunk);
  });
  from.on("error", () => undefined);
  from.on("close", () => {
    if (!isCut()) to.destroy();
  });
}

export async function goThroughProxies(ports: readonly number[], link: string): Promise<Proxied> {
  const isCut = (): boolean => existsSync(link);
  const upstream = new Set<Socket>();
  const proxies = await Promise.all(
    ports.map((port) =>
      stranger((client) => {
        if (isCut()) return;
        const server = connect({ port, host: "127.0.0.1" });
        upstream.add(server.unref());
        forward(client, server, isCut);
        forward(server, client, isCut);
      }),
    ),
  );
  return {
    link,
    portOf: (port) => proxies[ports.indexOf(port)]?.port ?? port,
    async [Symbol.asyncDispose]() {
      // A network that is gone tells no server that somebody is: those connections end with the servers.
      for (const socket of upstream) if (!isCut()) socket.destroy();
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}
