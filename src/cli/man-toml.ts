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
        "An unknown key is an error. Names of clusters and nodes are letters, digits, dots, underscores and hyphens, and begin with a letter or a digit.",
      ]),
    ),
    ...section("KEYS", [
      ...keys([...topKeys, ...connectKeys]),
      `.SS ${roffText("Of each node, [nodes.NAME]")}`,
      ...keys(nodeKeys),
    ]),
    ...section("EXAMPLE", verbatim(example)),
    ...section("SEE ALSO", [`${bold("remaster")}(1)`]),
  ];
  return `${lines.join("\n")}\n`;
}
