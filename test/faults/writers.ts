// Watches, for as long as a case lasts, how many nodes take writes at the same moment.

import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import type { TestCluster, TestServer } from "../support/cluster.ts";

export interface Writers extends AsyncDisposable {
  /** The most nodes that were seen out of recovery in one round. Ends the watch. */
  most(): Promise<number>;
}

async function takesWrites(server: TestServer): Promise<boolean> {
  const client = new Client({
    ...server.clientConfig(),
    connectionTimeoutMillis: 500,
    query_timeout: 500,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ recovery: boolean }>(
      "SELECT pg_is_in_recovery() AS recovery",
    );
    return rows[0]?.recovery === false;
  } catch {
    // Dead, frozen or on its way up: it takes nothing.
    return false;
  } finally {
    void client.end().catch(() => undefined);
  }
}

export function watchWriters(cluster: TestCluster, lost: readonly string[]): Writers {
  const servers = cluster.servers.filter(({ name }) => !lost.includes(name));
  let most = 0;
  const ended = new AbortController();
  const look = async (): Promise<void> => {
    const found = await Promise.all(servers.map(takesWrites));
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
    [Symbol.asyncDispose]: end,
  };
}
