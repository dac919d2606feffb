import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCluster } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/errors.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "remaster-config-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const head = `cluster = "orders"
[connect]
user = "remaster"
passfile = "/p"
connect_timeout = 2
dbname = "postgres"
sslmode = "require"
[nodes.n1]
dsn = "host=10.0.0.1"
`;

async function load(lines: string, env: Record<string, string> = {}, mode = 0o600) {
  const config = join(root, "remaster.toml");
  await writeFile(config, head + lines);
  await chmod(config, mode);
  return loadCluster({ config, env, cwd: root, home: root });
}

test("a pooler has its own dsn, and of [connect] only who we are", async () => {
  const { poolers } = await load(
    `[poolers.b1]
dsn = "host=10.0.1.1 port=6432"
[poolers.b2]
dsn = "host=10.0.1.2 user=keeper password=geheim dbname=console"
reconfigure = "point-at $REMASTER_PRIMARY_HOST"
databases = ["app", "shop"]
pause_timeout = 9
`,
    { PGOPTIONS: "-c geqo=off", PGSSLMODE: "prefer", PGDATABASE: "app" },
  );
  const shared = { passfile: "/p", connect_timeout: "2", sslmode: "prefer" };
  expect(poolers).toEqual([
    {
      name: "b1",
      conninfo: {
        ...shared,
        host: "10.0.1.1",
        port: "6432",
        user: "remaster",
        dbname: "pgbouncer",
      },
      reconfigure: null,
      databases: [],
      pauseTimeoutMs: 5000,
    },
    {
      name: "b2",
      conninfo: {
        ...shared,
        host: "10.0.1.2",
        user: "keeper",
        password: "geheim",
        dbname: "console",
      },
      reconfigure: "point-at $REMASTER_PRIMARY_HOST",
      databases: ["app", "shop"],
      pauseTimeoutMs: 9000,
    },
  ]);
});

test("there are none where the file or --dsn names none", async () => {
  expect(await load("")).not.toHaveProperty("poolers");
  const adHoc = await loadCluster({ dsn: "host=a", env: {}, cwd: root, home: root });
  expect(adHoc).not.toHaveProperty("poolers");
});

test.each([
  ['[poolers.n1]\ndsn = "host=a"', "n1 is a node and a pooler"],
  ['[poolers.-x]\ndsn = "host=a"', "poolers.-x is no usable name"],
  ["[poolers.b]", "pooler b has no dsn"],
  ['[poolers.b]\ndsn = "host=a,b"', "pooler b: several hosts"],
  ['[poolers.b]\ndsn = "host=a"\nreconfig = "x"', 'did you mean "reconfigure"?'],
  ['[poolers.b]\ndsn = "host=a"\nreconfigure = " "', "poolers.b.reconfigure is empty"],
  ['[poolers.b]\ndsn = "host=a"\ndatabases = []', "poolers.b.databases is empty"],
  ['[poolers.b]\ndsn = "host=a"\ndatabases = [1]', "must be a list of texts in quotes"],
  ['[poolers.b]\ndsn = "host=a"\ndatabases = ["pgbouncer"]', '"pgbouncer" cannot be paused'],
  ['[poolers.b]\ndsn = "host=a"\npause_timeout = 0', "must be 1 to 3600, in seconds"],
])("%j is refused", async (lines, message) => {
  const error = await load(lines).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).message).toContain(message);
});

test("a password in a file that others may read is refused, and not shown", async () => {
  const lines = '[poolers.b]\ndsn = "host=a password=geheim"';
  const error = await load(lines, {}, 0o644).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigError);
  const { message, hint } = error as ConfigError;
  expect(message).toContain("poolers.b.dsn holds a password, which stands in a file");
  expect(message + (hint ?? "")).not.toContain("geheim");
});
