// Rules about the cluster as a whole: who answers, who leads, whether these servers belong together, whether commits
// get through, whether anybody could take over.

import { compareHeld, formatPosition } from "../wal/position.ts";
import { rankCandidates } from "./candidates.ts";
import { confirmingSenders, parseSynchronousStandbyNames } from "./durability.ts";
import type { Finding } from "./finding.ts";
import { accountsOf } from "./histories.ts";
import type { ReachedNode, UnreachedNode } from "./node.ts";
import { settingText } from "./settings.ts";
import {
  allPrimaries,
  clusterMajor,
  isOurs,
  majorOf,
  ourNodes,
  reachedNode,
  reachedNodes,
  type Structure,
  standbysOf,
} from "./structure.ts";

const knocking: Readonly<Record<UnreachedNode["answer"], { says: string; hint: string }>> = {
  error: {
    says: "PostgreSQL answers and does not let us in",
    hint: "the server is alive: see its log, and the role's rights",
  },
  refused: { says: "nobody listens there", hint: "start the server, or look at its log" },
  none: { says: "no answer", hint: "the machine, or the network between here and there" },
  silent: {
    says: "the connection is taken and nothing comes",
    hint: "a frozen server looks like that, and its standbys may still look connected",
  },
  "not-postgres": {
    says: "what answers is no PostgreSQL",
    hint: "correct the node's host and port in the topology file",
  },
  unresolved: {
    says: "the host name has no address",
    hint: "correct the node's host in the topology file, or the name service",
  },
  tls: { says: "no TLS connection comes about", hint: "see sslmode and the certificates" },
  pooler: {
    says: "a connection pooler answers in the server's place",
    hint: "name the server itself: locks and replication do not pass through a pooler",
  },
};

/** A node down is a problem in a cluster that is meant to have it; a silent one may even be alive. */
export function unreachableNodes(structure: Structure): readonly Finding[] {
  return [...structure.nodes.values()].flatMap((node) => {
    if (node.reachable) return [];
    const edge = structure.edges.get(node.name);
    const fed =
      edge?.streaming === true && edge.upstream !== null
        ? `; yet ${edge.upstream} streams to it`
        : "";
    const { says } = knocking[node.answer];
    return [
      {
        code: "node-unreachable",
        severity: "problem",
        node: node.name,
        message: `${node.name}: ${says} (${node.reason})${fed}`,
        hint: hintFor(node),
      },
    ];
  });
}

/** A standby may be down because whoever stopped it died before he started it again. What may come up as a primary is left to a
 * person to start. */
function hintFor({ answer, stopped }: UnreachedNode): string {
  const isStandby = stopped?.standbySignal === true && stopped.demoted === null;
  return answer === "refused" && isStandby && stopped.start !== undefined
    ? `start the server, as the owner of its files: \`${stopped.start}\`; or look at its log`
    : knocking[answer].hint;
}

/** Nobody takes writes. Not said when nobody answered at all: then nothing is known. */
export function missingPrimary(structure: Structure): readonly Finding[] {
  if (structure.primaries.length > 0 || reachedNodes(structure).length === 0) return [];
  const lost = [...structure.nodes.values()].some((node) => !node.reachable);
  return [
    {
      code: "no-primary",
      severity: "problem",
      message: "no reachable node is a primary",
      hint: lost
        ? "if the primary is gone for good: `remaster failover`"
        : "add the primary to the topology file; if it is gone for good: `remaster failover`",
    },
  ];
}

/** Two nodes that take writes make two histories, and every moment more is lost of one. A fence holds that off. */
export function splitBrain(structure: Structure): readonly Finding[] {
  const primaries = allPrimaries(structure)
    .map((name) => reachedNode(structure, name))
    .filter((node) => node !== null);
  const [first, second] = primaries;
  if (first === undefined || second === undefined) return [];
  const open = primaries.filter((node) => !node.marks.fenced);
  const { switchpoint } = compareHeld(first, second, structure.histories);
  const parted =
    switchpoint === null ? "" : `; they went different ways at ${formatPosition(switchpoint)}`;
  return [
    {
      code: "several-primaries",
      severity: open.length > 1 ? "problem" : "warning",
      message: `${primaries.map(describePrimary).join(" and ")} are out of recovery${parted}`,
      hint: howToEnd(primaries),
    },
  ];
}

/** One that is fenced was handed over by: the other one leads. */
function howToEnd(primaries: readonly ReachedNode[]): string {
  const fenced = primaries.filter(({ marks }) => marks.fenced);
  const closed = primaries.find(({ marks }) => marks.awaits !== undefined);
  if (closed !== undefined && fenced.length === primaries.length) {
    return `\`remaster switchover --to ${closed.name}\` finishes what was cut short`;
  }
  return fenced.length === primaries.length - 1
    ? fenced.map(({ name }) => `\`remaster rejoin ${name}\``).join(", ")
    : "stop the one that must not lead before more is written to both; `remaster rejoin` brings it back as a standby";
}

function describePrimary(node: ReachedNode): string {
  const where = node.received === null ? "an unknown position" : formatPosition(node.received);
  return `${node.name} at ${where}${node.marks.fenced ? " (fenced)" : ""}`;
}

/** Another system identifier is another database cluster: nothing here may touch it. */
export function otherClusters(structure: Structure): readonly Finding[] {
  return reachedNodes(structure)
    .filter((node) => !isOurs(structure, node))
    .map((node) => ({
      code: "other-cluster",
      severity: "problem",
      node: node.name,
      message: `${node.name} has system identifier ${node.systemIdentifier}, the cluster ${structure.systemIdentifier ?? "none"}`,
      hint: "correct its address in the topology file, or rebuild it from a base backup of the primary",
    }));
}

/** Physical replication does not cross majors. */
export function otherMajors(structure: Structure): readonly Finding[] {
  const major = clusterMajor(structure);
  return ourNodes(structure)
    .filter((node) => majorOf(node) !== major)
    .map((node) => ({
      code: "other-major",
      severity: "problem",
      node: node.name,
      message: `${node.name} runs PostgreSQL ${node.versionText}, the cluster ${major ?? "none"}`,
      hint: "rebuild it under the cluster's major version",
    }));
}

/** One server under two names would be counted, stilled and promoted twice. */
export function sameServers(structure: Structure): readonly Finding[] {
  const seen = new Map<string, string>();
  return reachedNodes(structure).flatMap((node) => {
    const data = settingText(node, "data_directory");
    if (node.startedAt === null || data === null) return [];
    const key = [node.systemIdentifier, node.startedAt, node.role, data].join(" ");
    const first = seen.get(key);
    seen.set(key, first ?? node.name);
    if (first === undefined) return [];
    return [
      {
        code: "same-server",
        severity: "problem",
        node: node.name,
        message: `${first} and ${node.name} are one server: ${data}, started at the same moment`,
        hint: "take one of the two names out of the topology file",
      },
    ];
  });
}

/** One number for two timelines: an archive keeps but one of the history files, and followers take the wrong one. */
export function timelineClashes(structure: Structure): readonly Finding[] {
  return [...accountsOf(ourNodes(structure))].flatMap(([timeline, accounts]) => {
    if (accounts.length < 2) return [];
    const told = accounts.map(({ history, nodes }) => {
      const parent = history.ancestors.at(-1);
      const origin =
        parent === undefined
          ? "no ancestor"
          : formatPosition({ timeline: parent.timeline, lsn: parent.end });
      return `${nodes.join(" and ")} took it at ${origin}`;
    });
    return [
      {
        code: "timeline-clash",
        severity: "problem",
        message: `timeline ${timeline} was taken more than once: ${told.join(", ")}`,
        hint: "keep the nodes of one of them, rebuild the others",
      },
    ];
  });
}

/** Too few synchronous standbys: every commit waits. A fence does that on purpose. */
export function blockedCommits(structure: Structure): readonly Finding[] {
  return structure.primaries.flatMap((name) => {
    const node = reachedNode(structure, name);
    const wanted = node === null ? null : demandsOf(node);
    if (node === null || wanted === null) return [];
    const able = confirmingSenders(wanted, node.senders);
    if (able.length >= wanted.count) return [];
    const names = able.map((row) => row.applicationName).join(", ");
    return [
      {
        code: "commits-blocked",
        severity: "problem",
        node: name,
        message: `commits on ${name} wait: synchronous_standby_names demands ${wanted.count} of ${wanted.names.join(", ")}, and ${able.length} ${able.length === 1 ? "streams" : "stream"}${names === "" ? "" : ` (${names})`}`,
        hint: "bring a synchronous standby back, or change synchronous_standby_names on the primary",
      },
    ];
  });
}

function demandsOf(node: ReachedNode) {
  const commit = settingText(node, "synchronous_commit");
  if (node.marks.fenced || commit === "off" || commit === "local") return null;
  if (node.missingRights.includes("pg_monitor")) return null;
  return parseSynchronousStandbyNames(settingText(node, "synchronous_standby_names") ?? "");
}

/** Standbys without a candidate among them: a failover would be refused. By the file's own word it is no more than a note. */
export function missingCandidate(structure: Structure): readonly Finding[] {
  const standbys = standbysOf(structure);
  if (standbys.length === 0) return [];
  const { candidate, ranking } = rankCandidates(structure);
  if (candidate !== null) return [];
  const names = new Set(standbys.map((node) => node.name));
  const reasons = ranking
    .filter((ranked) => names.has(ranked.node))
    .map((ranked) => `${ranked.node}: ${ranked.objections.join(", ")}`);
  return [
    {
      code: "no-candidate",
      severity: standbys.some((node) => node.promotable) ? "warning" : "note",
      message: `no standby may be promoted (${reasons.join("; ")})`,
      hint: "see `remaster compare-lsn`",
    },
  ];
}
