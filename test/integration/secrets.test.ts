// Passwords planted wherever an operator may put one, and then looked for wherever they must not come up again: in what
// the program prints, in its journal, in command lines and environments of the processes that it starts.

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { letIn } from "../support/access.ts";
import { changedConfig } from "../support/cli.ts";
import { makeRows, sql, untilSees, countRows } from "../support/cluster-state.ts";
import { startCluster, type TestCluster, fewMajors } from "../support/cluster.ts";
import { canWatch, type Sight, watchDescendants } from "../support/descendants.ts";
import { poolerSecret, rewriting, startAppPooler } from "../support/pooled.ts";
import { hasPooler } from "../support/pooler.ts";
import { entryPoint, type ProgramResult, remaster } from "../support/program.ts";

/** What all planted passwords hold, so that half of one is found too. */
const planted = "hunter2";

/** How each node's password is given, and what it is: quotes, spaces and percent signs are where words get lost. */
const passwords = {
  service: `${planted} of-service`,
  keyword: `it's "${planted}" \\of keyword`,
  uri: `of-uri@${planted}/%?&=`,
  environment: `${planted}-of-environment`,
} as const;

const roleOf = (way: string): string => `by_${way}`;

/** A role for every way to give a password; primary_conninfo with the password in it, once of each form. */
async function plant(cluster: TestCluster): Promise<void> {
  const roles = Object.entries(passwords).map(
    ([way, password]) =>
      `CREATE ROLE ${roleOf(way)} SUPERUSER LOGIN PASSWORD '${password.replaceAll("'", "''")}'`,
  );
  await sql(cluster.server("n1"), "SET standard_conforming_strings = on", ...roles);
  await makeRows(cluster, "n1", 10);
  await untilSees(cluster, ["n2", "n3", "n4"], { statement: countRows, value: "10" });
  const mayEnter = "host all all 127.0.0.1/32 scram-sha-256";
  await Promise.all(cluster.servers.map((server) => letIn(server, [mayEnter])));
  const passfile = readFileSync(join(cluster.directory, "servers", "passfile"), "utf8");
  const ofRole = (role: string): string =>
    new RegExp(`:${role}:(.*)$`, "m").exec(passfile)?.[1] ?? "no password";
  const port = cluster.server("n1").port;
  const openly = {
    n2: `host=127.0.0.1 port=${port} user=repl_n2 password=${ofRole("repl_n2")} application_name=n2 sslmode=disable`,
    n3: `postgresql://repl_n3:${ofRole("repl_n3")}@127.0.0.1:${port}/?application_name=n3&sslmode=disable`,
  };
  for (const [name, conninfo] of Object.entries(openly)) {
    await sql(
      cluster.server(name),
      `ALTER SYSTEM SET primary_conninfo = '${conninfo}'`,
      "SELECT pg_reload_conf()",
    );
    await untilSees(cluster, [name], {
      statement: "SELECT max(status) FROM pg_stat_wal_receiver",
      value: "streaming",
    });
  }
}

interface Wishes {
  /** Of n1; what it prints is a command of the user's own. */
  readonly stop: string;
  /** Of n4, in its dsn; null: from the environment. */
  readonly password: string | null;
}

function topologyFile(cluster: TestCluster, name: string, { stop, password }: Wishes): string {
  const at = (node: string): string => `host=127.0.0.1 port=${cluster.server(node).port}`;
  const quoted = passwords.keyword.replace(/[\\']/g, "\\$&");
  const control = cluster.config.nodes.find((node) => node.name === "n4")?.control?.pgCtl;
  const dsns = {
    n1: `service=first port=${cluster.server("n1").port}`,
    n2: `${at("n2")} user=${roleOf("keyword")} password='${quoted}'`,
    n3: `postgresql://${roleOf("uri")}:${encodeURIComponent(passwords.uri)}@127.0.0.1:${cluster.server("n3").port}`,
    n4: `${at("n4")} user=${roleOf("environment")}${password === null ? "" : ` password=${password}`}`,
  };
  const controls: Readonly<Record<string, string>> = {
    n1: `control.stop = ${JSON.stringify(stop)}`,
    n4: `control.pg_ctl = { bindir = "${control?.bindir ?? ""}", data = "${control?.data ?? ""}" }`,
  };
  const nodes = Object.entries(dsns).flatMap(([node, dsn]) => [
    `[nodes.${node}]`,
    `dsn = ${JSON.stringify(dsn)}`,
    controls[node] ?? "",
  ]);
  const connect = ["[connect]", 'dbname = "postgres"', 'sslmode = "disable"'];
  const file = join(cluster.directory, `${name}.toml`);
  const text = [`cluster = "${name}"`, ...connect, "connect_timeout = 2", ...nodes, ""].join("\n");
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

interface Desk {
  readonly env: Readonly<Record<string, string>>;
  /** Runs it, and looks everywhere. */
  readonly run: (
    ...words: readonly string[]
  ) => Promise<ProgramResult & { readonly started: readonly Sight[] }>;
}

/** What the operator has put into a command himself stands in the command line of the shell that runs it, and for its children. */
interface Own {
  readonly commands: readonly string[];
  /** Passwords of another look. */
  readonly secrets: readonly string[];
}

const nothingOwn: Own = { commands: [], secrets: [] };

function deskOf(cluster: TestCluster, config: string, own: Own = nothingOwn): Desk {
  const services = join(cluster.directory, "services.conf");
  writeFileSync(
    services,
    `[first]\nhost=127.0.0.1\nuser=${roleOf("service")}\npassword=${passwords.service}\n`,
    { mode: 0o600 },
  );
  const state = join(cluster.directory, "desk");
  const env = {
    XDG_STATE_HOME: state,
    REMASTER_CONFIG: config,
    PGSERVICEFILE: services,
    PGPASSWORD: passwords.environment,
  };
  const servers = readFileSync(join(cluster.directory, "servers", "passfile"), "utf8");
  const replication = [...servers.matchAll(/:([^:]*)$/gm)].map(([, password]) => password ?? "");
  const run = async (...words: readonly string[]) => {
    const watches: ReturnType<typeof watchDescendants>[] = [];
    const result = await remaster(words, {
      env,
      onStart: ({ pid = 0 }) => watches.push(watchDescendants(pid)),
    });
    for (const watch of watches) watch.stop();
    const started = watches.flatMap(({ seen }) => seen);
    const texts = {
      stdout: result.stdout,
      stderr: result.stderr,
      kept: textsBelow(state),
      commandLines: started.map(({ commandLine }) => without(own.commands, commandLine)).join("\n"),
      // What the user has put into the environment himself goes on to the user's own commands.
      environments: started
        .map(({ environment }) => environment.replace(`PGPASSWORD=${passwords.environment}`, ""))
        .join("\n"),
    };
    for (const [where, text] of Object.entries(texts)) {
      for (const secret of [planted, ...replication, ...own.secrets]) {
        if (secret !== "" && text.includes(secret)) {
          throw new Error(`remaster ${words.join(" ")} shows a password in its ${where}: ${text}`);
        }
      }
    }
    return { ...result, started };
  };
  return { env, run };
}

function without(parts: readonly string[], text: string): string {
  return parts.reduce((left, part) => left.replaceAll(part, ""), text);
}

function textsBelow(directory: string): string {
  if (!existsSync(directory)) return "";
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .join("\n");
}

/** `remaster` in a script's PATH. */
function binWith(cluster: TestCluster): string {
  const file = join(cluster.directory, "remaster");
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${entryPoint}' "$@"\n`);
  chmodSync(file, 0o755);
  return cluster.directory;
}

describe.skipIf(!canWatch).each(fewMajors)("passwords, PostgreSQL %d", (major) => {
  test("show in no output, journal, command line or foreign environment, whatever verb is run", async () => {
    await using cluster = await startCluster({ major });
    await plant(cluster);
    const usual = { stop: "sleep 0.2", password: null };
    const { env, run } = deskOf(cluster, topologyFile(cluster, "planted", usual));
    const expectStatus = async (wanted: number, ...words: readonly string[]) => {
      const result = await run(...words);
      expect([words, result.status, result.stderr]).toEqual([words, wanted, expect.anything()]);
      return result;
    };
    const seen = await expectStatus(0, "status", "--json", "--verbose");
    // All four ways let us in, and the planted settings are there to be shown.
    expect(seen.stdout).toContain("password-in-conninfo");
    for (const words of [["status"], ["compare-lsn", "-v"], ["role", "--print", "someone"]]) {
      await expectStatus(0, ...words);
    }

    const script = await expectStatus(0, "quiesce", "--script");
    const plan = join(cluster.directory, "plan.sh");
    writeFileSync(plan, script.stdout);
    await expectStatus(0, "quiesce", "--dry-run", "--json");
    const path = `PATH=${binWith(cluster)}:${process.env["PATH"] ?? ""}`;
    const ran = await expectStatus(0, "lock", "--", "env", path, "sh", plan);
    expect(ran.started.some(({ commandLine }) => commandLine.includes("quiesce"))).toBe(true);
    await expectStatus(0, "undo", "--yes", "--verbose");
    await expectStatus(0, "quiesce", "n2", "n3", "--yes", "--verbose", "--json");
    await expectStatus(0, "unquiesce", "--yes", "--verbose");
    await expectStatus(0, "repoint", "n2", "n4", "--to", "n3", "--yes", "--verbose", "--json");
    await expectStatus(0, "repoint", "n4", "--to", "n2", "--yes", "--verbose");
    const locked = await expectStatus(3, "lock", "--", "sh", "-c", "sleep 0.1; exit 3");
    expect(locked.started.map(({ environment }) => environment).join()).toContain("PGPASSWORD=");

    await cluster.server("n1").kill();
    const refused = topologyFile(cluster, "refused", {
      stop: 'echo "password=$PGPASSWORD" "postgresql://u:$PGPASSWORD@h"; sleep 0.2; exit 3',
      password: `wrong-${planted}`,
    });
    const wrong = deskOf(cluster, refused);
    const looked = await wrong.run("status", "--json", "--verbose");
    expect([looked.status, looked.stdout]).toEqual([1, expect.stringContaining("28P01")]);
    expect((await wrong.run("quiesce", "n4", "--yes")).status).toBe(4);
    const failed = await wrong.run("failover", "--yes", "--verbose", "--accept-data-loss");
    expect([failed.status, failed.stderr]).toEqual([7, expect.stringMatching(/password=\*\*\*/)]);

    await expectStatus(0, "failover", "--dry-run");
    await expectStatus(0, "failover", "--script");
    const done = await expectStatus(0, "failover", "--yes", "--verbose", "--json");
    expect(done.started.map(({ commandLine }) => commandLine)).toContain("sleep 0.2");
    const stopped = await expectStatus(0, "stop", "n4", "--yes", "--verbose");
    expect(stopped.started.map(({ commandLine }) => commandLine).join()).toContain("pg_ctl");
    expect(stopped.started.map(({ environment }) => environment).join()).not.toContain("PGPASS");

    const history = await expectStatus(0, "history", "--limit", "0", "--quiet");
    const ids = history.stdout.trim().split("\n");
    expect(ids.length).toBeGreaterThan(8);
    for (const id of ids.slice(0, 3)) await expectStatus(0, "history", id, "--json", "--verbose");

    // The same role once more, by a password file.
    const passfile = join(cluster.directory, "own.pgpass");
    writeFileSync(passfile, `*:*:*:*:${passwords.environment}\n`, { mode: 0o600 });
    await cluster.server("n4").start();
    const byFile = await remaster(["status", "--json", "--verbose"], {
      env: { ...env, PGPASSWORD: "", PGPASSFILE: passfile },
    });
    expect(byFile.stdout + byFile.stderr).not.toContain(planted);
    expect(JSON.parse(byFile.stdout)).toMatchObject({
      topology: { nodes: [{ reachable: false }, {}, {}, { reachable: true }] },
    });
  });
});

describe.skipIf(!canWatch || !hasPooler).each(fewMajors)("commands, PostgreSQL %d", (major) => {
  test("of hooks and poolers give no password away, whatever they write", async () => {
    await using cluster = await startCluster({ major, standbys: 1 });
    await using pooler = await startAppPooler(cluster.server("n1"));
    const role = roleOf("environment");
    await sql(
      cluster.server("n1"),
      `CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${passwords.environment}'`,
    );
    const statement = `SELECT count(*) FROM pg_authid WHERE rolname = '${role}'`;
    await untilSees(cluster, ["n2"], { statement, value: "1" });
    const mayEnter = "host all all 127.0.0.1/32 scram-sha-256";
    await Promise.all(cluster.servers.map((server) => letIn(server, [mayEnter])));

    // Whole, in a connection string, in a URI, and the console's: all that a command can come to know.
    const users = join(pooler.file, "..", "users");
    const writes = `echo "$PGPASSWORD"; echo "password=$PGPASSWORD postgresql://u:$PGPASSWORD@h"; grep keeper ${users} >&2; sleep 0.2`;
    const own = `token=${planted}-of-command`;
    const hooked = (name: string, ends: string) => {
      const lines = ["before_fence", "after_promote", "after_finish", "on_failure"].map(
        (hook) =>
          `${hook} = ${JSON.stringify(`${own}; ${writes}; ${hook === "before_fence" ? ends : "true"}`)}`,
      );
      const reconfigure = `${own}; ${writes}; ${rewriting(pooler)}; exit 3`;
      const file = changedConfig(cluster, name, (text) =>
        [
          text.replace('user = "remaster"', `user = "${role}"`).replace(/passfile = .*/, ""),
          "[hooks]",
          ...lines,
          "[poolers.bouncer]",
          `dsn = ${JSON.stringify(`host=127.0.0.1 port=${pooler.port} user=keeper password='${poolerSecret.replaceAll("'", "\\'")}'`)}`,
          `reconfigure = ${JSON.stringify(reconfigure)}`,
          "",
        ].join("\n"),
      );
      chmodSync(file, 0o600);
      return deskOf(cluster, file, { commands: [own], secrets: [poolerSecret] });
    };

    const vetoed = await hooked("vetoed", "exit 3").run("switchover", "--yes", "--verbose");
    expect([vetoed.status, vetoed.stderr]).toEqual([7, expect.stringContaining("***")]);
    const { run } = hooked("hooked", "true");
    for (const words of [
      ["status", "--json"],
      ["switchover", "--dry-run"],
      ["switchover", "--script"],
    ]) {
      expect([words, (await run(...words)).status]).toEqual([words, 0]);
    }
    const done = await run("switchover", "--yes", "--verbose", "--json");
    expect([done.status, done.stdout]).toEqual([
      8,
      expect.stringContaining("reconfigure failed with status 3: ***"),
    ]);
    const shells = done.started.filter(({ commandLine }) => commandLine.includes(own));
    expect(shells.length).toBeGreaterThan(3);
    const history = await run("history", "--limit", "1", "--quiet");
    const shown = await run("history", history.stdout.trim(), "--json", "--verbose");
    expect(shown.stdout).toContain("password=***");
  });
});

/** A connection string where none belongs, or a broken one where one does. Typed, it is on our own command line already. */
const misplaced: readonly (readonly [number, readonly string[]])[] = [
  [2, [`postgresql://me:${planted}@h/db`]],
  [2, ["status", `password=${planted}`]],
  [2, ["status", `--dsm=password=${planted}`]],
  [2, ["failover", "--timeout", `password=two\\ ${planted}`]],
  [2, ["completion", `host=h password='two ${planted}'`]],
  [2, ["history", `postgresql://me:a@${planted}@h/db`]],
  [2, ["repoint", `postgresql://me:${planted}@h/db`, "--to", "n2", "--yes"]],
  [3, ["status", "--cluster", `password=${planted}`]],
  [3, ["status", "--config", `postgresql://me:${planted}@h/db`]],
  [3, ["status", "--dsn", `host=h password=${planted}`]],
  [3, ["failover", "--yes", "--json", "--dsn", `postgresql://me:${planted}@h/db`]],
  [3, ["status", "--dsn", `host=h pasword=${planted}`]],
  [3, ["status", "--dsn", `host=h password='${planted}`]],
  [3, ["status", "--dsn", `host=h password=two ${planted}`]],
  [3, ["status", "--dsn", `postgresql://me:%zz${planted}@h/db`]],
  [3, ["status", "--dsn", `postgresql://me:a/${planted}@h/db`]],
  [3, ["status", "--dsn", `postgresql://me:a@${planted}@h/db`]],
];

/** Lines of a topology file, or of the service file that it names. */
const broken: readonly (readonly [string, string])[] = [
  [`dsn = "host=h password='${planted}"`, ""],
  [`dsn = "host=h pasword=${planted}"`, ""],
  [`dsn = "host=h password=two ${planted}"`, ""],
  [`dsn = "postgresql://me:%zz${planted}@h"`, ""],
  [`dsn = "postgresql://me:a/${planted}@h"`, ""],
  [`dsn = "postgresql://me:a@${planted}@h"`, ""],
  [`dsn = "host=h" password=${planted}`, ""],
  [`dsn = host=h password=${planted}`, ""],
  [`dsn = ["host=h password=${planted}"]`, ""],
  [`dsn = "host=h"\npassword = "${planted}"`, ""],
  [`dsn = "host=h"\nreplication = "host=h password=${planted}"`, ""],
  [`dsn = "host=h,g password=${planted}"`, ""],
  [`dsn = "host=h password=${planted} target_session_attrs=primary"`, ""],
  ['dsn = "service=first"', planted],
  ['dsn = "service=first"', `pasword=${planted}`],
  ['dsn = "service=first"', `host=h@${planted}`],
];

test("nothing that is wrong is told with its password", async () => {
  const directory = mkdtempSync(join(tmpdir(), "remaster-test-"));
  try {
    const services = join(directory, "services.conf");
    const env = { PGSERVICEFILE: services, XDG_STATE_HOME: join(directory, "state") };
    const config = join(directory, "remaster.toml");
    writeFileSync(config, 'cluster = "c"\n[nodes.n1]\ndsn = "host=h"\n');
    const told = async (words: readonly string[], cwd: string) => {
      const { status, stdout, stderr } = await remaster(words, { env, cwd });
      expect(stdout + stderr, words.join(" ")).not.toContain(planted);
      expect((stdout + stderr).length).toBeGreaterThan(20);
      return status;
    };
    for (const [wanted, words] of misplaced) {
      expect([words, await told(words, directory)]).toEqual([words, wanted]);
    }
    for (const [lines, service] of broken) {
      writeFileSync(config, `cluster = "c"\n[nodes.n1]\n${lines}\n`, { mode: 0o600 });
      chmodSync(config, 0o600);
      writeFileSync(services, `[first]\n${service}\n`);
      expect([lines, service, await told(["status"], directory)]).toEqual([lines, service, 3]);
    }
    // Whole, but for others to read.
    writeFileSync(config, `cluster = "c"\n[nodes.n1]\ndsn = "host=h password=${planted}"\n`);
    chmodSync(config, 0o644);
    expect(await told(["status", "--json"], directory)).toBe(3);
    expect(textsBelow(join(directory, "state"))).not.toContain(planted);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
