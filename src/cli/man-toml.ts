// remaster.toml(5): the topology file, every key of it.

import { title } from "./man.ts";
import { bold, paragraphs, roffText, section, tagged, verbatim } from "./roff.ts";

interface Key {
  readonly name: string;
  readonly text: string;
}

const topKeys: readonly Key[] = [
  { name: "cluster", text: "The name of the cluster, in reports and in the journal." },
];

const connectKeys: readonly Key[] = [
  {
    name: "[connect]",
    text: "Connection parameters under every node's own, by libpq's keywords: `user`, `dbname`, `connect_timeout`, `sslmode`, `passfile` and so on. A password belongs in a passfile or in PGPASSWORD; here it is accepted only in a file that nobody but its owner can read. Verbs that change something connect to the database `postgres` whatever `dbname` says, since the lock of the cluster is there, and tell verb, operator and process in application_name.",
  },
];

const nodeKeys: readonly Key[] = [
  {
    name: "dsn",
    text: "How remaster reaches the node: a libpq connection string, in keywords or as a URI. It goes over `[connect]`.",
  },
  {
    name: "promotable",
    text: "`false`: the node never leads. It is still a source of WAL. Default: true.",
  },
  {
    name: "priority",
    text: "Among the standbys that may lead, the higher number goes first. Default: 0.",
  },
  {
    name: "replication",
    text: "How the other nodes reach this one, as keywords (`host=10.9.0.3 port=5432`): what their primary_conninfo will name. Default: the host and port of `dsn`.",
  },
  {
    name: "control.start, control.stop",
    text: "Commands that start and stop the server on its machine. Exit status 0 means that it is so. Used only for what SQL cannot do.",
  },
  {
    name: "control.pg_ctl",
    text: "In place of the two: `bindir` and `data` of a server on this machine, for pg_ctl. What a server says while it is started so goes to remaster-start.log in its data directory, until its own logging takes over.",
  },
];

const poolerKeys: readonly Key[] = [
  {
    name: "dsn",
    text: "The admin console of a pgbouncer (1.18 or later): a libpq connection string. `dbname` is `pgbouncer` unless it says otherwise. The user has to be one of its admin_users. Of `[connect]` only `user`, `passfile` and `connect_timeout` hold here too; PG* variables and the password file count as for nodes, PGOPTIONS aside.",
  },
  {
    name: "reconfigure",
    text: "A command that gives the pooler the address of the new primary, by writing pgbouncer.ini, say. It is run with /bin/sh when that node leads, while the clients wait, and has 10 seconds at most; RELOAD and RESUME follow, also where it fails. It may be run more than once. In its environment: REMASTER_CLUSTER, REMASTER_POOLER, REMASTER_PRIMARY with REMASTER_PRIMARY_HOST and REMASTER_PRIMARY_PORT (as in the `dsn` of that node), and REMASTER_OLD_PRIMARY, REMASTER_OLD_PRIMARY_HOST and REMASTER_OLD_PRIMARY_PORT, empty where the old one is not known. Without it RELOAD alone is to do: pgbouncer.ini names an address that moves, or is written by somebody else. Where that is a host name, pgbouncer keeps it for dns_max_ttl.",
  },
  {
    name: "databases",
    text: "The databases of the pooler that lead to this cluster, as it calls them: only these are paused. Default: all of it.",
  },
  {
    name: "pause_timeout",
    text: "How many seconds a pause waits for the transactions that are under way, while all others wait for it. When it is not reached the pooler is resumed and the switchover undone. Default: 5.",
  },
];

const hookKeys: readonly Key[] = [
  {
    name: "before_fence",
    text: "Runs before writes stop, when all else is prepared. Any other exit status than 0, and the end of its time, is a veto: what was done is taken back, and the exit status is 7. A failover has none, since it stops no writes.",
  },
  {
    name: "after_promote",
    text: "Runs as soon as the new primary takes writes; its standbys and the old primary may still be on their way. When it fails, that is a warning.",
  },
  {
    name: "after_finish",
    text: "Runs last, once the new primary leads and every standby that can be reached follows it; else it is not run, which is a warning, and so is its failing.",
  },
  {
    name: "on_failure",
    text: "Runs at the end of a run that was begun and was taken back (exit status 7) or is incomplete (8), also where the operator interrupted it. Not where nothing was begun.",
  },
];

const hookFacts: readonly Key[] = [
  {
    name: "REMASTER_HOOK, REMASTER_VERB",
    text: "Which hook it is, of `switchover` or `failover`.",
  },
  { name: "REMASTER_CLUSTER", text: "The name of the cluster." },
  {
    name: "REMASTER_OLD_PRIMARY, REMASTER_OLD_PRIMARY_HOST, REMASTER_OLD_PRIMARY_PORT",
    text: "The node that led, and where the other nodes reach it. Empty where a failover cannot tell which one it was.",
  },
  {
    name: "REMASTER_NEW_PRIMARY, REMASTER_NEW_PRIMARY_HOST, REMASTER_NEW_PRIMARY_PORT",
    text: "The node that leads, or was to.",
  },
  {
    name: "REMASTER_POSITION",
    text: "Where the new primary writes, as timeline and LSN: `3@0/16B3748`. For after_promote and after_finish; empty where it is not known.",
  },
  {
    name: "REMASTER_OUTCOME",
    text: "`done` for after_finish; `undone` or `incomplete` for on_failure; empty for the others.",
  },
  {
    name: "REMASTER_RUN",
    text: "The name of the run for `remaster history`; empty where no journal is kept.",
  },
];

const hookText: readonly string[] = [
  "Commands of your own that `remaster switchover` and `remaster failover` run on the way, in /bin/sh on the machine of the operator. Each key is the command, or a table of `command` and `timeout` (500ms, 10s, 2m; 10s when it is not given). A command has half of what is left of `--timeout` at most, so that the rest can be done; after_finish has all of it, and on_failure its own limit alone. One that is not over in time is ended with its process group.",
  "What a command writes, its last 64 kB, goes to the journal, without what looks like a password or is one that remaster knows. Its standard input is empty. It runs while the lock of the cluster is held: of remaster, only verbs that change nothing work in it.",
  "Each is a step of the plan (`remaster hook`), so that a dry run shows it and a script runs it. An operator who is killed in the middle of a hook goes on with the same verb: that may run a hook a second time, or never come to it, because the plan that is left has no place for it. So a hook must bear to be run twice, and what hangs on it must not hang on it alone.",
];

const hookEnvironment = "That of remaster, and in it, always all of them:";

const example: readonly string[] = [
  'cluster = "orders"',
  "",
  "[connect]",
  'user = "remaster"',
  'dbname = "postgres"',
  "connect_timeout = 2",
  "",
  "[nodes.n1]",
  'dsn = "host=10.0.0.1 port=5432"',
  "",
  "[nodes.n2]",
  'dsn = "host=10.0.0.2"',
  "promotable = false",
  "",
  "[nodes.n3]",
  'dsn = "host=10.0.0.3"',
  "priority = 10",
  'replication = "host=10.9.0.3"',
  'control.start = "ssh n3 sudo systemctl start postgresql@17-main"',
  'control.stop = "ssh n3 sudo systemctl stop postgresql@17-main"',
  "",
  "[poolers.bouncer]",
  'dsn = "host=10.0.1.1 port=6432 user=remaster"',
  'reconfigure = "ssh bouncer /usr/local/bin/point-pgbouncer-at $REMASTER_PRIMARY_HOST"',
  "",
  "[hooks]",
  'before_fence = { command = "/usr/local/bin/batch-jobs-idle", timeout = "5s" }',
  'after_promote = "/usr/local/bin/point-dns-at $REMASTER_NEW_PRIMARY_HOST"',
];

export function tomlPage(version: string): string {
  const keys = (list: readonly Key[]): readonly string[] =>
    list.flatMap(({ name, text }) => tagged(bold(name), [text]));
  const lines = [
    title("REMASTER.TOML", "5", version),
    ...section("NAME", [roffText("remaster.toml - the topology file of remaster")]),
    ...section(
      "DESCRIPTION",
      paragraphs([
        "A TOML file that names the servers of one cluster. Who is the primary does not stand in it: that is read from the servers.",
        "It is looked for as `--config`, REMASTER_CONFIG, ./remaster.toml, then in $XDG_CONFIG_HOME/remaster and /etc/remaster: NAME.toml with `--cluster` NAME, or the only file there without it.",
        "An unknown key is an error. Names of clusters, nodes and poolers are letters, digits, dots, underscores and hyphens, and begin with a letter or a digit.",
      ]),
    ),
    ...section("KEYS", [
      ...keys([...topKeys, ...connectKeys]),
      `.SS ${roffText("Of each node, [nodes.NAME]")}`,
      ...keys(nodeKeys),
      `.SS ${roffText("Of each pooler, [poolers.NAME]")}`,
      ...paragraphs([
        "A switchover pauses the poolers right before the writes end, and resumes them once the new primary leads, so that their clients see one slow transaction and no error. A failover gives them the new address.",
      ]),
      ...keys(poolerKeys),
      `.SS ${roffText("[hooks]")}`,
      ...paragraphs(hookText),
      ...keys(hookKeys),
      `.SS ${roffText("Environment of a hook")}`,
      ...paragraphs([hookEnvironment]),
      ...keys(hookFacts),
    ]),
    ...section("EXAMPLE", verbatim(example)),
    ...section("SEE ALSO", [`${bold("remaster")}(1)`]),
  ];
  return `${lines.join("\n")}\n`;
}
