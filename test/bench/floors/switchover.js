// The floor of a switchover on servers where all is prepared: load pg, connect to both, a checkpoint on each, hold the writes
// off the old primary, promote the other as soon as it has everything, with a reload every 5 ms, and look every millisecond.
// Arguments: `stop` or `fence`, the old primary's data directory, its JSON client config, that of the node to lead.
// Nothing of safety: who writes past the fence, a server that ends without a shutdown checkpoint, another that leads.

import { readFileSync } from "node:fs";
import pg from "pg";

const [how, data, ...configs] = process.argv.slice(2);
const [old, next] = await Promise.all(
  configs.map(async (text) => {
    const client = new pg.Client(JSON.parse(text));
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }),
);
await Promise.all([old.query("CHECKPOINT"), next.query("CHECKPOINT")]);

async function until(sql) {
  for (;;) {
    const { rows } = await next.query(sql);
    if (rows[0].done) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function stop() {
  process.kill(Number(readFileSync(`${data}/postmaster.pid`, "utf8").split("\n")[0]), "SIGINT");
  // A primary that shuts down ends its receivers when they have everything.
  await until("SELECT count(*) = 0 AS done FROM pg_stat_wal_receiver");
}

async function fence() {
  await old.query("ALTER SYSTEM SET default_transaction_read_only = on");
  await old.query("SELECT pg_reload_conf()");
  await old.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
  );
  const { rows } = await old.query("SELECT pg_current_wal_flush_lsn()::text AS lsn");
  await until(`SELECT pg_last_wal_replay_lsn() >= '${rows[0].lsn}' AS done`);
}

await (how === "stop" ? stop() : fence());
await next.query("SELECT pg_promote(false)");
let reloadedAt = performance.now();
for (;;) {
  const { rows } = await next.query("SELECT pg_is_in_recovery() AS waiting");
  if (!rows[0].waiting) break;
  if (performance.now() - reloadedAt >= 5) {
    reloadedAt = performance.now();
    await next.query("SELECT pg_reload_conf()");
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await Promise.all([old, next].map((client) => client.end().catch(() => undefined)));
