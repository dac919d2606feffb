// Watches, for as long as a test lasts, how many nodes take writes at the same moment.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import type { TestCluster, TestServer } from "./cluster.ts";

export interface Writers extends AsyncDisposable {
  /** The most nodes that were seen out of recovery, and not fenced, in one round. Ends the watch. */
  most(): Promise<number>;
}

interface Watched {
  takesWrites(): Promise<boolean>;
  close(): void;
}

/** Over one connection for as long as it lasts: a login costs the server more than all that is watched. */
function watched(server: TestServer): Watched {
  let open: Client | null = null;
  const drop = (client: Client): void => {
    open = null;
    void client.end().catch(() => undefined);
  };
  const connected = async (): Promise<Client> => {
    if (open !== null) return open;
    const limits = { connectionTimeoutMillis: 500, query_timeout: 500 };
    const client = new Client({ ...server.clientConfig(), ...limits });
    client.on("error", () => undefined);
    open = client;
    await client.connect();
    return client;
  };
  return {
    async takesWrites() {
      try {
        const client = await connected();
        const { rows } = await client.query<{ takes: boolean }>(
          "SELECT NOT (pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool) AS takes",
        );
        return rows[0]?.takes === true;
      } catch {
        // Dead, frozen or on its way up: it takes nothing.
        if (open !== null) drop(open);
        return false;
      }
    },
    close() {
      if (open !== null) drop(open);
    },
  };
}

export function watchWriters(cluster: TestCluster, lost: readonly string[]): Writers {
  const servers = cluster.servers.filter(({ name }) => !lost.includes(name)).map(watched);
  let most = 0;
  const ended = new AbortController();
  const look = async (): Promise<void> => {
    const found = await Promise.all(servers.map((server) => server.takesWrites()));
    most = Math.max(most, found.filter(Boolean).length);
  };
  const watching = (async () => {
    while (!ended.signal.aborted) {
      await look();
      await setTimeout(200);
    }
  })();
  const end = async (): Promise<void> => {
    ended.abort();
    await watching;
  };
  return {
    async most() {
      await end();
      await look();
      return most;
    },
    async [Symbol.asyncDispose]() {
      await end();
      for (const server of servers) server.close();
    },
  };
}
