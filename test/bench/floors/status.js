// The floor of a status: load pg, make the same connections (one for SQL and one for the replication protocol per
// node), ask each for its position, print. Arguments: one JSON client config per node.

import pg from "pg";

const nodes = await Promise.all(
  process.argv.slice(2).map(async (text) => {
    const config = JSON.parse(text);
    const client = new pg.Client(config);
    const replication = new pg.Client({ ...config, replication: "database" });
    const [position, identity] = await Promise.all([
      client
        .connect()
        .then(() => client.query("SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()")),
      replication.connect().then(() => replication.query("IDENTIFY_SYSTEM")),
    ]);
    await Promise.all([client.end(), replication.end()]);
    return { ...position.rows[0], ...identity.rows[0] };
  }),
);
console.log(JSON.stringify(nodes));
