// Environment variables and files of the program, for the man page.

interface Told {
  readonly name: string;
  readonly text: string;
}

export const environment: readonly Told[] = [
  { name: "REMASTER_CONFIG", text: "The topology file, where --config is not given." },
  {
    name: "PGHOST, PGPORT, PGUSER, PGPASSFILE, PGSERVICE, PGSSLMODE, ...",
    text: "As for libpq: they stand below what the topology file says of a node. A password is taken from the passfile or PGPASSWORD, never from the command line.",
  },
  {
    name: "REMASTER_LOCK",
    text: "Set by `remaster lock` for the command that it runs: the name of the run that holds the lock of the cluster, which the verbs in that command share. It is no secret, and counts only where the servers bear it out.",
  },
  { name: "NO_COLOR", text: "No colours, where it is set to anything." },
  { name: "FORCE_COLOR", text: "Colours also where the output is no terminal; 0 means none." },
  {
    name: "LC_ALL, LC_CTYPE, LANG",
    text: "Whether the locale is a UTF-8 one: trees are drawn in ASCII elsewhere.",
  },
  {
    name: "XDG_CONFIG_HOME, XDG_STATE_HOME",
    text: "Where topology files are looked for by name, and where the journal is kept.",
  },
];

export const files: readonly Told[] = [
  { name: "./remaster.toml", text: "The topology file of the working directory." },
  {
    name: "$XDG_CONFIG_HOME/remaster/NAME.toml, /etc/remaster/NAME.toml",
    text: "The topology file of the cluster NAME (`--cluster`). Where a directory holds one file only, `--cluster` may be left out. $XDG_CONFIG_HOME is ~/.config where it is not set.",
  },
  {
    name: "$XDG_STATE_HOME/remaster/",
    text: "The journal: what was changed, when and how it ended, as lines of JSON that only their owner can read. Nothing needs it to go on. $XDG_STATE_HOME is ~/.local/state where it is not set.",
  },
];
