// The floor of a failover: load pg, connect to the same nodes, ask one for its promotion with a reload every 5 ms, and
// look every millisecond until it takes writes. Arguments: the candidate's index, then one JSON client config per node.

import pg from "pg";

const [index, ...configs] = process.argv.slice(2);
const clients = await Promise.all(
  configs.map(async (text) => {
    const client = new pg.Client(JSON.parse(text));
    await client.connect();
    return client;
  }),
);
const candidate = clients[Number(index)];
await candidate.query("SELECT pg_promote(false)");
let reloadedAt = performance.now();
for (;;) {
  const { rows } = await candidate.query("SELECT pg_is_in_recovery() AS waiting");
  if (!rows[0].waiting) break;
  if (performance.now() - reloadedAt >= 5) {
    reloadedAt = performance.now();
    await candidate.query("SELECT pg_reload_conf()");
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await Promise.all(clients.map((client) => client.end()));
