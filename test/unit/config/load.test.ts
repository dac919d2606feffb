import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClusterWish, loadCluster } from "../../../src/config/load.ts";
import { ConfigError, UsageError } from "../../../src/errors.ts";
import type { ClusterConfig } from "../../../src/topology/node.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "remaster-config-"));
  await mkdir(join(root, "work"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function put(path: string, text: string, mode = 0o644): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, text);
  await chmod(full, mode);
  return full;
}

type Wish = Partial<Omit<ClusterWish, "cwd" | "home">>;

function load(wish: Wish = {}): Promise<ClusterConfig> {
  return loadCluster({ env: {}, ...wish, cwd: join(root, "work"), home: join(root, "home") });
}

async function failure(wish: Wish = {}): Promise<ConfigError | UsageError> {
  try {
    await load(wish);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("loaded");
}

const small = (cluster: string): string =>
  `cluster = "${cluster}"\n[nodes.n1]\ndsn = "host=10.0.0.1"\n`;

describe("the topology file", () => {
  test("as a value", async () => {
    const file = await put(
      "work/remaster.toml",
      `
cluster = "orders"
[connect]
user = "remaster"
dbname = "postgres"
connect_timeout = 2
keepalives = true
[nodes.n1]
dsn = "host=10.0.0.1 port=5433"
[nodes.n2]
dsn = "postgresql://other@10.0.0.2/app"
promotable = false
[nodes.n3]
dsn = "host=10.0.0.3"
priority = 10
replication = "host=10.9.0.3"
control.start = "ssh n3 start"
control.stop = "ssh n3 stop"
[nodes.n4]
dsn = "host=127.0.0.1 port=5434"
replication = "port=6434"
control.pg_ctl = { bindir = "/usr/lib/postgresql/17/bin", data = "/srv/pg/n4" }
`,
    );
    const shared = {
      user: "remaster",
      dbname: "postgres",
      connect_timeout: "2",
      keepalives: "1",
    };
    const plain = { promotable: true, priority: 0, control: null };
    expect(await load()).toEqual({
      name: "orders",
      file,
      nodes: [
        {
          ...plain,
          name: "n1",
          conninfo: { ...shared, host: "10.0.0.1", port: "5433" },
          replication: { host: "10.0.0.1", hostaddr: null, port: 5433 },
        },
        {
          ...plain,
          name: "n2",
          conninfo: { ...shared, user: "other", host: "10.0.0.2", dbname: "app" },
          promotable: false,
          replication: { host: "10.0.0.2", hostaddr: null, port: 5432 },
        },
        {
          ...plain,
          name: "n3",
          conninfo: { ...shared, host: "10.0.0.3" },
          priority: 10,
          replication: { host: "10.9.0.3", hostaddr: null, port: 5432 },
          control: { start: "ssh n3 start", stop: "ssh n3 stop", pgCtl: null },
        },
        {
          ...plain,
          name: "n4",
          conninfo: { ...shared, host: "127.0.0.1", port: "5434" },
          replication: { host: "127.0.0.1", hostaddr: null, port: 6434 },
          control: {
            start: null,
            stop: null,
            pgCtl: { bindir: "/usr/lib/postgresql/17/bin", data: "/srv/pg/n4" },
          },
        },
      ],
    });
  });

  test("hooks, as text or with their limits", async () => {
    const lines = [
      small("orders"),
      "[hooks]",
      'before_fence = { command = "may-i", timeout = "500ms" }',
      'after_promote = "tell"',
      'after_finish = { command = "tell" }',
      'on_failure = { command = "cry", timeout = 3 }',
    ];
    await put("work/remaster.toml", lines.join("\n"));
    const { hooks } = await load();
    expect(hooks).toEqual({
      before_fence: { command: "may-i", timeoutMs: 500 },
      after_promote: { command: "tell", timeoutMs: 10_000 },
      after_finish: { command: "tell", timeoutMs: 10_000 },
      on_failure: { command: "cry", timeoutMs: 3_000 },
    });
  });

  const node = '[nodes.n1]\ndsn = "host=a"\n';
  test.each([
    ["cluster = \n", /remaster\.toml:1:11: /],
    [`cluster = "c"\n[nodes.n1]\ndsn = "a"\n[nodes.n1]\n`, /remaster\.toml:4:\d+: .*redefine/],
    [`cluster = "c"\nclutser = 1\n${node}`, 'unknown key clutser, did you mean "cluster"?'],
    [
      `cluster = "c"\n${node}promotabel = true`,
      'unknown key nodes.n1.promotabel, did you mean "promotable"?',
    ],
    [`cluster = "c"\n[conect]\n${node}`, 'unknown key conect, did you mean "connect"?'],
    [
      `cluster = "c"\n[connect]\nusre = "x"\n${node}`,
      'unknown connection keyword connect.usre, did you mean "user"?',
    ],
    [`cluster = "c"\n[pools.p]\n${node}`, "unknown key pools"],
    [node, "cluster is missing"],
    [`cluster = 1\n${node}`, "cluster must be text in quotes"],
    [`cluster = "a b"\n${node}`, "cluster is no usable name"],
    ['cluster = "c"\n', "no nodes"],
    ['cluster = "c"\n[nodes]\n', "no nodes"],
    ['cluster = "c"\nnodes = 3\n', "nodes must be a table"],
    ['cluster = "c"\n[nodes]\nn1 = "host=a"\n', "nodes.n1 must be a table"],
    ['cluster = "c"\n[nodes."a b"]\ndsn = "host=a"\n', 'nodes."a b" is no usable name'],
    ['cluster = "c"\n[nodes."../x"]\ndsn = "host=a"\n', 'nodes."../x" is no usable name'],
    ['cluster = "c"\n[nodes.n1]\npriority = 1\n', "node n1 has no dsn"],
    [`cluster = "c"\n${node}priority = 1.5\n`, "nodes.n1.priority must be a whole number"],
    [`cluster = "c"\n${node}promotable = "no"\n`, "nodes.n1.promotable must be true or false"],
    [
      'cluster = "c"\n[nodes.n1]\ndsn = "hots=a"\n',
      'nodes.n1.dsn: connection string: unknown keyword "hots", did you mean "host"?',
    ],
    ['cluster = "c"\n[nodes.n1]\ndsn = "host=a port=x"\n', "node n1: a port is no number"],
    [
      'cluster = "c"\n[nodes.n1]\ndsn = "host=a,b"\n',
      "node n1: several hosts, and a node is one server",
    ],
    [
      'cluster = "c"\n[nodes.n1]\ndsn = "host=a target_session_attrs=primary"\n',
      "node n1: target_session_attrs=primary chooses between servers",
    ],
    [`cluster = "c"\n${node}[nodes.n2]\ndsn = "host=a"\n`, "nodes n1 and n2 are both at a:5432"],
    [`cluster = "c"\n${node}replication = "user=a"\n`, "nodes.n1.replication holds user"],
    [`cluster = "c"\n${node}replication = "host=a,b"\n`, "replication: several hosts"],
    [
      `cluster = "c"\n${node}[hooks]\nbefore_fense = "x"\n`,
      'unknown key hooks.before_fense, did you mean "before_fence"?',
    ],
    [`cluster = "c"\n${node}[hooks]\non_failure = " "\n`, "hooks.on_failure is empty"],
    [`cluster = "c"\n${node}[hooks]\non_failure = 3\n`, "hooks.on_failure must be a table"],
    [`cluster = "c"\n${node}[hooks.on_failure]\n`, "hooks.on_failure.command is missing"],
    [
      `cluster = "c"\n${node}[hooks]\non_failure = { command = "x", timout = 3 }\n`,
      'unknown key hooks.on_failure.timout, did you mean "timeout"?',
    ],
    [
      `cluster = "c"\n${node}[hooks]\non_failure = { command = "x", timeout = "0s" }\n`,
      "hooks.on_failure.timeout is no time limit",
    ],
    [
      `cluster = "c"\n${node}[hooks]\non_failure = { command = "x", timeout = "soon" }\n`,
      "hooks.on_failure.timeout is no time limit",
    ],
    [`cluster = "c"\n${node}control = {}\n`, "nodes.n1.control is empty"],
    [`cluster = "c"\n${node}control.stop = " "\n`, "nodes.n1.control.stop is empty"],
    [
      `cluster = "c"\n${node}control.stpo = "x"\n`,
      'unknown key nodes.n1.control.stpo, did you mean "stop"?',
    ],
    [
      `cluster = "c"\n${node}control.stop = "x"\ncontrol.pg_ctl = { bindir = "/a", data = "/b" }\n`,
      "has pg_ctl and commands of its own",
    ],
    [
      `cluster = "c"\n${node}control.pg_ctl = { bindir = "/a" }\n`,
      "nodes.n1.control.pg_ctl.data is missing",
    ],
    [
      `cluster = "c"\n${node}control.pg_ctl = { bindir = "a", data = "/b" }\n`,
      "nodes.n1.control.pg_ctl.bindir must be an absolute path",
    ],
  ])("%j is refused", async (text, message) => {
    await put("work/remaster.toml", text);
    const error = await failure();
    expect(error.outcome).toBe("config");
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
  });

  test("a password in it wants a file that nobody else may read", async () => {
    const texts = [
      'cluster = "c"\n[nodes.n1]\ndsn = "host=a password=geheim"\n',
      'cluster = "c"\n[nodes.n1]\ndsn = "postgresql://u:geheim@a"\n',
      'cluster = "c"\n[connect]\npassword = "geheim"\n[nodes.n1]\ndsn = "host=a"\n',
    ];
    for (const text of texts) {
      await put("work/remaster.toml", text, 0o640);
      const error = await failure();
      expect(error.message).toContain("a file that others may read");
      expect(error.message + (error.hint ?? "")).not.toContain("geheim");
      expect(error.hint).toContain("passfile");
      await put("work/remaster.toml", text, 0o600);
      expect((await load()).nodes[0]?.conninfo["password"]).toBe("geheim");
    }
  });

  test("a syntax error does not quote its line", async () => {
    await put("work/remaster.toml", 'cluster = "c"\n[nodes.n1]\ndsn = "password=geheim" x\n');
    const error = await failure();
    expect(error.message).toMatch(/remaster\.toml:3:\d+: /);
    expect(error.message).not.toContain("geheim");
  });
});

describe("where the file is", () => {
  test("--config, then REMASTER_CONFIG, then ./remaster.toml, then the user's directory", async () => {
    await put("home/.config/remaster/user.toml", small("user"));
    expect((await load()).name).toBe("user");
    await put("xdg/remaster/other.toml", small("other"));
    expect((await load({ env: { XDG_CONFIG_HOME: join(root, "xdg") } })).name).toBe("other");
    await put("work/remaster.toml", small("local"));
    expect((await load()).name).toBe("local");
    const named = await put("named.toml", small("named"));
    expect((await load({ env: { REMASTER_CONFIG: named } })).name).toBe("named");
    await put("work/given.toml", small("given"));
    expect((await load({ config: "given.toml", env: { REMASTER_CONFIG: named } })).name).toBe(
      "given",
    );
  });

  test("--cluster passes over files of other clusters", async () => {
    await put("work/remaster.toml", small("local"));
    await put("home/.config/remaster/user.toml", small("user"));
    expect((await load({ cluster: "user" })).name).toBe("user");
    expect((await load({ cluster: "local" })).name).toBe("local");
    const error = await failure({ cluster: "third" });
    expect(error.message).toContain('no topology file for cluster "third"');
    expect(error.message).toContain("/etc/remaster/third.toml");
  });

  test("a file that was named must be there, and be the right one", async () => {
    expect((await failure({ config: "nowhere.toml" })).message).toMatch(
      /topology file .*nowhere\.toml does not exist/,
    );
    expect((await failure({ env: { REMASTER_CONFIG: "/nowhere.toml" } })).message).toContain(
      "/nowhere.toml (REMASTER_CONFIG) does not exist",
    );
    const path = await put("given.toml", small("given"));
    expect((await failure({ config: path, cluster: "other" })).message).toContain(
      'describes cluster "given", not "other"',
    );
    expect((await failure({ config: root })).message).toContain("cannot be read (EISDIR)");
    expect((await failure({ cluster: "../x" })).message).toContain("no cluster name");
  });

  test("nothing anywhere says where it looked", async () => {
    const error = await failure();
    expect(error.message).toContain("no topology file: looked for ./remaster.toml");
    expect(error.hint).toContain("--config FILE");
  });

  test("several in one directory want a choice", async () => {
    await put("home/.config/remaster/a.toml", small("a"));
    await put("home/.config/remaster/b.toml", small("b"));
    const error = await failure();
    expect(error.message).toMatch(/several clusters in .*: a, b/);
    expect((await load({ cluster: "b" })).name).toBe("b");
  });
});

describe("under every node", () => {
  test("the environment, but no host where the node has one", async () => {
    await put(
      "work/remaster.toml",
      'cluster = "c"\n[connect]\nuser = "shared"\n[nodes.n1]\ndsn = "host=a user=own"\n[nodes.n2]\ndsn = "port=7"\n',
    );
    const env = {
      PGHOST: "envhost",
      PGHOSTADDR: "10.0.0.9",
      PGPORT: "5999",
      PGUSER: "envuser",
      PGDATABASE: "envdb",
      PGPASSWORD: "geheim",
      PGSSLMODE: "require",
      PGAPPNAME: "",
      PGTARGETSESSIONATTRS: "primary",
    };
    const { nodes } = await load({ env });
    const common = { dbname: "envdb", password: "geheim", sslmode: "require" };
    expect(nodes[0]?.conninfo).toEqual({ ...common, host: "a", user: "own", port: "5999" });
    expect(nodes[1]?.conninfo).toEqual({
      ...common,
      host: "envhost",
      hostaddr: "10.0.0.9",
      user: "shared",
      port: "7",
    });
  });

  test("a service, from the user's file or the machine's", async () => {
    await put(
      "home/.pg_service.conf",
      "# mine\n[other]\nhost=x\n[orders]\nuser=svc\nport=5444\nuser=second\n\n[later]\nuser=z\n",
    );
    await put("sys/pg_service.conf", "[machine]\n  user=sys\n");
    await put(
      "work/remaster.toml",
      'cluster = "c"\n[nodes.n1]\ndsn = "host=a service=orders"\n[nodes.n2]\ndsn = "host=b service=machine port=1"\n',
    );
    const { nodes } = await load({ env: { PGSYSCONFDIR: join(root, "sys"), PGUSER: "env" } });
    expect(nodes[0]?.conninfo).toEqual({ host: "a", user: "svc", port: "5444" });
    expect(nodes[1]?.conninfo).toEqual({ host: "b", user: "sys", port: "1" });
  });

  test("PGSERVICE fills what nothing else says, never a node's place", async () => {
    await put("svc.conf", "[s]\nhost=elsewhere\nhostaddr=10.0.0.9\nuser=svc\ndbname=d\n");
    await put(
      "work/remaster.toml",
      'cluster = "c"\n[connect]\nuser = "u"\n[nodes.n1]\ndsn = "host=a"\n',
    );
    const { nodes } = await load({
      env: { PGSERVICE: "s", PGSERVICEFILE: join(root, "svc.conf"), PGDATABASE: "env" },
    });
    expect(nodes[0]?.conninfo).toEqual({ host: "a", user: "u", dbname: "d" });
  });

  test.each([
    ["[s]\nuser\n", /svc\.conf:2: no "="/],
    ["[s]\nservice=t\n", /svc\.conf:2: a service cannot name another/],
    ["[s]\nusre=t\n", /svc\.conf:2: unknown keyword in the service file, did you mean "user"\?/],
    ["[s]\nldap://x\n", /svc\.conf:2: services from LDAP are not supported/],
    ["[t]\nuser=x\n", /service "s" is in none of .*svc\.conf/],
  ])("a service file %j is refused", async (text, message) => {
    await put("svc.conf", text);
    await put("work/remaster.toml", 'cluster = "c"\n[nodes.n1]\ndsn = "service=s"\n');
    const error = await failure({ env: { PGSERVICEFILE: join(root, "svc.conf") } });
    expect(error.message).toMatch(message);
  });

  test("a service file that was named must be there", async () => {
    const error = await failure({ dsn: "service=s", env: { PGSERVICEFILE: "/nowhere.conf" } });
    expect(error.message).toBe("service file /nowhere.conf (PGSERVICEFILE) does not exist");
  });
});

describe("--dsn", () => {
  test("every host is a node", async () => {
    const { name, file, nodes } = await load({
      dsn: "postgresql://u@db1,db2:6,[::1]:7/app?target_session_attrs=primary&connect_timeout=3",
      env: { PGPASSWORD: "geheim" },
    });
    expect({ name, file }).toEqual({ name: "ad-hoc", file: null });
    expect(nodes.map((node) => node.name)).toEqual(["db1:5432", "db2:6", "[::1]:7"]);
    expect(nodes[1]).toEqual({
      name: "db2:6",
      conninfo: {
        user: "u",
        dbname: "app",
        connect_timeout: "3",
        password: "geheim",
        host: "db2",
        port: "6",
      },
      promotable: true,
      priority: 0,
      replication: { host: "db2", hostaddr: null, port: 6 },
      control: null,
    });
  });

  test("the hosts of a service", async () => {
    await put("home/.pg_service.conf", "[orders]\nhost=a,b\nport=1,2\npassword=geheim\n");
    const { nodes } = await load({ dsn: "service=orders" });
    expect(nodes.map((node) => node.name)).toEqual(["a:1", "b:2"]);
    expect(nodes[0]?.conninfo).toEqual({ host: "a", port: "1", password: "geheim" });
  });

  test.each([
    ["host=a password=geheim", "--dsn holds a password"],
    ["postgresql://u:geheim@a", "--dsn holds a password"],
    ["host=a sslpassword=geheim", "--dsn holds a sslpassword"],
    ["host=a,a", "--dsn names a:5432 twice"],
    ["host=a,b port=1,2,3", "--dsn: the number of ports (3) differs from that of hosts (2)"],
    ["host='a", "--dsn: connection string: the quote"],
  ])("%j is refused", async (dsn, message) => {
    const error = await failure({ dsn });
    expect(error.outcome).toBe("config");
    expect(error.message).toContain(message);
    expect(error.message + (error.hint ?? "")).not.toContain("geheim");
  });

  test("excludes --config and --cluster", async () => {
    expect((await failure({ dsn: "host=a", config: "x" })).outcome).toBe("usage");
    expect((await failure({ dsn: "host=a", cluster: "x" })).outcome).toBe("usage");
  });
});
