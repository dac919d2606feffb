// Decides rejoin: a former primary comes back as a standby of the node that leads. What it has must be part of that node's
// history, as its data directory proves (topology/former.ts); else pg_rewind takes it back, and WAL of transactions that
// exists nowhere else is not given up without a word. A former primary is never started as one.

import type { Finding } from "../topology/finding.ts";
import type { Diverged, FormerNode } from "../topology/former.ts";
import type { Observation, ReachedNode } from "../topology/node.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNode } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { formatPosition } from "../wal/position.ts";
import { checkBelongs, checkOnLine, checkReachable, checkRights } from "./checks.ts";
import { quoteWord } from "./command-line.ts";
import { checkFork } from "./guards.ts";
import type { Decision } from "./plan.ts";
import { checkAncestry, checkCanFollow } from "./repoint.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";

export interface RejoinRequest {
  readonly node: string;
  /** Null: the node that leads. */
  readonly to: string | null;
  readonly acceptDataLoss: boolean;
  /** Null where the topology file does not say where the data directory is, or where nobody had to look. */
  readonly former: FormerNode | null;
}

/** Whom the node is to follow, or why that cannot be told. */
export function findUpstream(
  topology: Topology,
  { node, to }: Pick<RejoinRequest, "node" | "to">,
): ReachedNode | readonly Finding[] {
  if (to !== null) {
    return reachedNode(topology, to) ?? checkReachable(observationOf(topology, to));
  }
  const fork = checkFork(topology).map((finding) => ({
    ...finding,
    hint: `say whom ${node} is to follow, --to NODE, or name the line: ${finding.hint ?? ""}`,
  }));
  if (fork.length > 0) return fork;
  const open = topology.primaries
    .flatMap((name) => reachedNode(topology, name) ?? [])
    .filter(({ name, marks }) => name !== node && !marks.fenced);
  const [leader, second] = open;
  if (leader !== undefined && second === undefined) return leader;
  const found = open.length === 0 ? "no other node leads" : "several nodes lead";
  const hint = "see `remaster status`; --to names a node to follow";
  const code = open.length === 0 ? "no-primary" : "several-primaries";
  return [problem(code, null, { message: `${found}: ${node} has nobody to follow`, hint })];
}

/** A standby that never left the line has only to be told whom it follows. */
export function isOnItsWay(topology: Topology, node: Observation, to: ReachedNode): boolean {
  if (!node.reachable || node.role === "primary") return false;
  return checkAncestry(topology, node, to).every(({ code }) => code !== "diverged");
}

function dataDirectoryOf(node: Observation): string {
  return (node.reachable ? settingText(node, "data_directory") : null) ?? "DATA_DIRECTORY";
}

function sourceOf({ addresses }: ReachedNode): string {
  const [address] = addresses;
  return address === undefined ? "host=..." : `host=${address.host} port=${address.port}`;
}

/** Without its files nothing can be proven, and nothing prepared. */
function tellByHand(node: Observation, to: ReachedNode): Finding {
  const data = quoteWord(dataDirectoryOf(node));
  const message = `the topology file gives no control.pg_ctl of ${node.name}: what it has cannot be held against the history of ${to.name}`;
  // One that runs has written past the switchpoint, and does so once more when it stops.
  const hint = node.reachable
    ? `add it; or on its machine, as the owner of its files: pg_ctl -D ${data} -m fast stop && pg_rewind -D ${data} -R --source-server='${sourceOf(to)} dbname=postgres' && pg_ctl -D ${data} start, with the node's own configuration put back; or a new base backup`
    : `add it, or on its machine, as the owner of its files: touch ${data}/standby.signal && pg_ctl -D ${data} start && remaster rejoin ${node.name} --to ${to.name}; as a standby it can be judged over SQL`;
  return problem("no-control", node.name, { message, hint });
}

/** The command that makes the node anew. */
function baseBackup({ dataDirectory }: FormerNode, to: ReachedNode): string {
  const [address] = to.addresses;
  const where = address === undefined ? "" : ` -h ${quoteWord(address.host)} -p ${address.port}`;
  const data = quoteWord(dataDirectory);
  return `on its machine, stopped: mv ${data} ${data}.old && pg_basebackup -D ${data}${where} -R -X stream -c fast, with the node's own configuration put back and a role with REPLICATION (-U)`;
}

function extentOf(line: Diverged): string {
  const bytes = line.end.lsn - line.switchpoint.lsn;
  return `from ${formatPosition(line.switchpoint)} to ${formatPosition(line.end)}, ${line.more ? "more than " : ""}${bytes} bytes`;
}

/** WAL that is somebody's. */
function checkLoss(name: string, to: ReachedNode, request: RejoinRequest): Finding[] {
  const line = request.former?.line;
  if (line?.kind !== "diverged" || line.foreign === null || request.acceptDataLoss) return [];
  return [
    problem("diverged-wal", name, {
      message: `${name} has WAL that exists nowhere else, ${extentOf(line)}: it left the line of ${to.name} there, and its transactions since then would be lost`,
      hint: `save what is needed of it; --accept-data-loss takes it back, and keeps a copy of the WAL in ${request.former?.means.keepIn ?? ""}`,
    }),
  ];
}

function checkMeans(name: string, to: ReachedNode, former: FormerNode): Finding[] {
  const { program, tracksPages, cannotKeep, keepIn, lackingRights } = former.means;
  const lacks = [
    ...(program === null ? ["pg_rewind is not in control.pg_ctl.bindir"] : []),
    ...(tracksPages
      ? []
      : ["it runs without data checksums and wal_log_hints, which pg_rewind needs"]),
  ];
  const anew = lacks.map((why) =>
    problem("base-backup-needed", name, {
      message: `${name} has left the line of ${to.name} and cannot be taken back: ${why}`,
      hint: baseBackup(former, to),
    }),
  );
  const rights =
    lackingRights.length === 0
      ? []
      : [
          problem("missing-right", to.name, {
            message: `the role lacks on ${to.name}, for pg_rewind: ${lackingRights.join("; ")}`,
            hint: "grant it there (`remaster role --print NAME` has the statements), or connect as a superuser",
          }),
        ];
  const kept =
    cannotKeep === null
      ? []
      : [
          problem("no-control", name, {
            message: `what pg_rewind takes away cannot be kept in ${keepIn}: ${cannotKeep}`,
            hint: "let the owner of the data directory write beside it",
          }),
        ];
  const standby =
    to.role === "primary"
      ? []
      : [
          problem("not-a-primary", to.name, {
            message: `${name} has left the line of ${to.name}, and only a primary can take it back`,
            hint: `name the primary with --to; \`remaster repoint ${name} --to ${to.name}\` comes after that`,
          }),
        ];
  return [...anew, ...rights, ...kept, ...standby];
}

function checkFormer(topology: Topology, to: ReachedNode, request: RejoinRequest): Finding[] {
  const { node: name, former } = request;
  if (former === null) return [tellByHand(observationOf(topology, name), to)];
  const { line, systemIdentifier, runs } = former;
  if (systemIdentifier !== null && systemIdentifier !== topology.systemIdentifier) {
    const message = `${former.dataDirectory} has system identifier ${systemIdentifier}, the cluster ${topology.systemIdentifier ?? "none"}`;
    const hint = `correct control.pg_ctl of ${name} in the topology file`;
    return [problem("other-cluster", name, { message, hint })];
  }
  if (line.kind === "unknown") {
    return [
      problem("history-unclear", name, {
        message: `whether what ${name} has is part of the history of ${to.name} cannot be told: ${line.why}`,
        hint: baseBackup(former, to),
      }),
    ];
  }
  // One that runs writes its shutdown checkpoint when it is stopped, behind the switchpoint.
  const rewinds = line.kind === "diverged" || runs;
  return [...checkLoss(name, to, request), ...(rewinds ? checkMeans(name, to, former) : [])];
}

/** What the operator should know before he says yes. */
function tellOfRewind({ node, former, acceptDataLoss }: RejoinRequest, to: ReachedNode): Finding[] {
  const line = former?.line;
  if (former === null || line?.kind !== "diverged") return [];
  const kept = `a copy of it is kept in ${former.means.keepIn}`;
  if (line.foreign === null) {
    const message = `${node} has WAL behind the line of ${to.name}, ${extentOf(line)}, none of it of a transaction: pg_rewind takes it back; ${kept}`;
    return [{ code: "diverged-wal", severity: "note", node, message }];
  }
  if (!acceptDataLoss) return [];
  const message = `${node} loses what it alone has, ${extentOf(line)}, transactions among it; ${kept}`;
  return [{ code: "diverged-wal", severity: "warning", node, message }];
}

function checkUpstream(topology: Topology, node: Observation, to: ReachedNode): Finding[] {
  if (node.name === to.name) {
    const message = `${node.name} cannot follow itself`;
    return [problem("cannot-follow-itself", node.name, { message, hint: "name another --to" })];
  }
  return [
    ...checkBelongs(topology, to),
    ...checkOnLine(topology, to),
    ...checkRights(to, "slots"),
    ...(node.reachable ? checkBelongs(topology, node) : []),
  ];
}

export function planRejoin(topology: Topology, request: RejoinRequest): Decision {
  const to = findUpstream(topology, request);
  if (!("name" in to)) return refuseOn(to) ?? { kind: "already", findings: [] };
  const node = observationOf(topology, request.node);
  const refusal =
    refuseOn(checkUpstream(topology, node, to)) ??
    refuseOn(
      isOnItsWay(topology, node, to) && node.reachable
        ? checkCanFollow(topology, node, to)
        : checkFormer(topology, to, request),
    );
  if (refusal !== null) return refusal;
  const runs = !isOnItsWay(topology, node, to) && request.former?.runs === true;
  const step = {
    verb: "rejoin",
    node: node.name,
    to: to.name,
    ...(request.acceptDataLoss ? { acceptDataLoss: true as const } : {}),
  } as const;
  return decidePlan("rejoin", topology, {
    stages: [
      ...stage(
        `stop ${node.name}, which may still take writes`,
        runs ? [planned(topology, { verb: "stop", node: node.name }, { required: true })] : [],
      ),
      ...stage(`bring ${node.name} back as a standby of ${to.name}`, [
        planned(topology, step, { required: true }),
      ]),
    ],
    noReturn: runs ? "stop" : "rejoin",
    findings: tellOfRewind(request, to),
  });
}
