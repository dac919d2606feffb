// A pass of slot-sync that finds nothing to do, 50 slots on 3 standbys, against one look at the same servers (status), both in
// this process. The copies are made here, by decoding on the standbys (16+), so that nothing of remaster's own is measured.

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { remasterHere } from "../support/here.ts";
import { repository } from "../support/repository.ts";
import { alternate, type Ratio } from "./measure.ts";

const slots = Array.from({ length: 50 }, (_, index) => `bench_${String(index + 1)}`);

const settings = {
  hot_standby_feedback: "on",
  max_replication_slots: "80",
  wal_receiver_status_interval: "1",
};

/** Runs a verb here, on that cluster; gives its stdout. Throws on any exit status but 0. */
async function runHere(cluster: TestCluster, words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await remasterHere(
    [...words, "--config", cluster.configFile],
    {
      XDG_STATE_HOME: `${cluster.directory}/desk`,
    },
  );
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${String(status)}: ${stderr}`);
  return stdout;
}

async function timeHere(cluster: TestCluster, words: readonly string[]): Promise<number> {
  const began = performance.now();
  await runHere(cluster, words);
  return performance.now() - began;
}

async function connect(cluster: TestCluster, name: string): Promise<Client> {
  const client = new Client(cluster.server(name).clientConfig());
  await client.connect();
  return client;
}

async function forEach(client: Client, statement: string, more: readonly string[] = []) {
  for (const slot of slots) await client.query(statement, [slot, ...more]);
}

/** Slots on the primary, and a level copy of each on every standby. */
async function makeCopies(cluster: TestCluster): Promise<void> {
  const primary = await connect(cluster, "n1");
  const standbys = await Promise.all(["n2", "n3", "n4"].map((name) => connect(cluster, name)));
  const create = "SELECT pg_create_logical_replication_slot($1, 'test_decoding')";
  const advance = "SELECT pg_replication_slot_advance($1, $2::pg_lsn)";
  await forEach(primary, create);
  // Each copy waits for a record of running transactions.
  let made = false;
  const making = Promise.all(standbys.map((standby) => forEach(standby, create))).finally(() => {
    made = true;
  });
  const isMade = (): boolean => made;
  while (!isMade()) await primary.query("SELECT pg_log_standby_snapshot(), pg_sleep(0.02)");
  await making;
  const { rows } = await primary.query<{ lsn: string }>(
    "SELECT pg_current_wal_flush_lsn()::text AS lsn",
  );
  const lsn = rows[0]?.lsn ?? "";
  await forEach(primary, advance, [lsn]);
  const replayed = "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done, pg_sleep(0.02)";
  for (const standby of standbys) {
    while ((await standby.query<{ done: boolean }>(replayed, [lsn])).rows[0]?.done !== true);
    await forEach(standby, advance, [lsn]);
  }
  await Promise.all([primary, ...standbys].map((client) => client.end()));
}

const pass = ["slot-sync", "--yes"];

export async function benchSlotSync(
  major: number,
  bench: { readonly runs: number; readonly show: (ratio: Ratio) => void },
): Promise<void> {
  // What is compiled for the bench finds its version where the sources find theirs.
  copyFileSync(join(repository, "package.json"), new URL("../../package.json", import.meta.url));
  await using cluster = await startCluster({ major, standbys: 3, settings });
  await makeCopies(cluster);
  // The first one makes the slots for siblings.
  await runHere(cluster, pass);
  const said = await runHere(cluster, pass);
  if (!said.includes("nothing to do: ready")) throw new Error(`there is something to do: ${said}`);
  const times = await alternate(
    bench.runs,
    () => timeHere(cluster, ["status"]),
    () => timeHere(cluster, pass),
  );
  bench.show({
    what: `slot-sync, nothing to do, 50 slots on 3 standbys (${major})`,
    ...times,
    limit: 3,
  });
}
