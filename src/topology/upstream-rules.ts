// Rules about what feeds a standby. A standby that gets nothing looks well in an idle cluster: receive equals replay and
// the lag reads zero. So these rules look at whether WAL can flow, never at lag.

import { formatAddress } from "../conninfo/hosts.ts";
import { compareHeld, formatPosition } from "../wal/position.ts";
import { formatLsn } from "../wal/lsn.ts";
import type { Finding } from "./finding.ts";
import { findReference } from "./lines.ts";
import type { ReachedNode } from "./node.ts";
import { sendersOf } from "./senders.ts";
import { settingText } from "./settings.ts";
import { type Edge, reachedNode, solePrimary, type Structure, standbysOf } from "./structure.ts";
import { endsTorn, isTornFor } from "./torn.ts";

/** A receiver gives up after wal_receiver_timeout (60 s unless set): older than that, its upstream is not to be trusted. */
const silenceMs = 60_000;

/** A standby past the fork can never follow again, whatever its receiver looks like. */
export function divergedStandbys(structure: Structure): readonly Finding[] {
  const left = divergences(structure).filter(({ node }) => !structure.strays.includes(node.name));
  return left.map(({ node, from, switchpoint }) => ({
    code: "diverged",
    severity: "problem",
    node: node.name,
    message: `${node.name} replayed up to ${node.replayed === null ? "an unknown position" : formatPosition(node.replayed)}, which is not in the history of ${from.name}${switchpoint}`,
    hint: `${node.name} cannot follow as it is: rewind it or rebuild it`,
  }));
}

/** Who left the line of every primary, or, with none, the line of the standby that is ahead. */
function divergences(structure: Structure) {
  const standbys = standbysOf(structure).filter((node) => node.received !== null);
  const primaries = structure.primaries
    .map((name) => reachedNode(structure, name))
    .filter((node) => node !== null);
  const kept = standbys.filter((node) => !structure.strays.includes(node.name));
  const ahead = findReference(kept, structure.histories)?.node ?? null;
  const lines = primaries.length > 0 || ahead === null ? primaries : [ahead];
  return standbys.flatMap((node) => {
    const compared = lines.map((line) => compareHeld(node, line, structure.histories));
    const [first] = compared;
    const from = lines[0];
    if (first === undefined || from === undefined) return [];
    if (compared.some(({ relation }) => relation !== "diverged")) return [];
    const { switchpoint } = first;
    const at = switchpoint === null ? "" : ` after ${formatPosition(switchpoint)}`;
    return [{ node, from, switchpoint: at }];
  });
}

/** The upstream lives and nothing flows: a receiver in a loop, a sender in `startup` for ever, no receiver at all. */
export function notFollowing(structure: Structure): readonly Finding[] {
  const diverged = new Set(divergences(structure).map(({ node }) => node.name));
  return standbysOf(structure).flatMap((node) => {
    const edge = structure.edges.get(node.name);
    if (edge === undefined || edge.streaming || diverged.has(node.name)) return [];
    if (node.marks.quiesced && node.receiver === null) return [];
    const upstream = edge.upstream === null ? null : structure.nodes.get(edge.upstream);
    if (upstream?.reachable === false) return [];
    const from = edge.upstream ?? placeOf(edge);
    return [
      {
        code: "standby-not-following",
        severity: "problem",
        node: node.name,
        message: `${node.name} gets no WAL from ${from}: ${whatStandsStill(node, upstream ?? null)}`,
        hint:
          edge.upstream === null
            ? `see the log of ${node.name}`
            : `see the log of ${node.name}; to try again: \`remaster repoint ${node.name} --to ${edge.upstream}\``,
      },
    ];
  });
}

function whatStandsStill(node: ReachedNode, upstream: ReachedNode | null): string {
  const { receiver } = node;
  if (receiver === null) return "it runs no receiver";
  const states = upstream === null ? [] : sendersOf(upstream, node).map((row) => row.state);
  const senders =
    states.length === 0
      ? "no sender there that streams to it"
      : `the sender in ${states.join(", ")}`;
  return upstream === null
    ? `its receiver is in ${receiver.status}`
    : `its receiver is in ${receiver.status}, ${senders}`;
}

function placeOf(edge: Edge): string {
  return edge.address === null ? "an unknown upstream" : formatAddress(edge.address);
}

/** A frozen upstream leaves its receivers in `streaming` for longer than any patience. */
export function silentReceivers(structure: Structure): readonly Finding[] {
  return standbysOf(structure).flatMap((node) => {
    const age = node.receiver?.lastMessageAgeMs ?? null;
    if (node.receiver?.status !== "streaming" || age === null || age <= silenceMs) return [];
    return [
      {
        code: "receiver-silent",
        severity: "warning",
        node: node.name,
        message: `${node.name} streams, and had no message for ${Math.round(age / 1000)} s`,
        hint: "see whether its upstream is frozen, or the network in between",
      },
    ];
  });
}

/** The primary was killed in the middle of a record that reaches into a later segment. While nobody leads that is only
 * worth knowing; below a primary of a later timeline the node can neither follow nor be led there. */
export function tornTails(structure: Structure): readonly Finding[] {
  const leader = solePrimary(structure);
  return standbysOf(structure).flatMap((node) => {
    const stranded = leader !== null && isTornFor(node, leader);
    if (node.received === null || (!stranded && !endsTorn(node))) return [];
    const replayed =
      node.replayLsn === null ? "" : `, and replayed to ${formatLsn(node.replayLsn)}`;
    return [
      {
        code: "torn-tail",
        severity: stranded ? "problem" : "warning",
        node: node.name,
        message: `${node.name} received up to ${formatLsn(node.received.lsn)}, in the middle of a record${replayed}: its end is torn`,
        hint:
          leader === null
            ? "a failover takes it into account"
            : `\`remaster heal ${node.name} --to ${leader.name}\``,
      },
    ];
  });
}

/** A dead upstream starves everything below it: said once per upstream, with all who hang on it. */
export function deadUpstreams(structure: Structure): readonly Finding[] {
  return [...structure.nodes.values()].flatMap((node) => {
    if (node.reachable) return [];
    const starved = [...structure.edges.values()]
      .filter((edge) => edge.upstream === node.name && !edge.streaming)
      .map((edge) => edge.standby);
    if (starved.length === 0) return [];
    const [leader] = structure.primaries;
    return [
      {
        code: "upstream-unreachable",
        severity: "problem",
        node: node.name,
        message: `no WAL reaches ${starved.join(", ")}: the upstream ${node.name} cannot be reached`,
        hint:
          leader === undefined
            ? "see `remaster compare-lsn`, then `remaster failover`"
            : `\`remaster repoint ${starved.join(" ")} --to ${leader}\``,
      },
    ];
  });
}

/** What feeds the standby is nowhere in the file: nothing can be said of it, and a failover cannot see it. */
export function unknownUpstreams(structure: Structure): readonly Finding[] {
  return standbysOf(structure).flatMap((node) => {
    const edge = structure.edges.get(node.name);
    if (edge === undefined || edge.upstream !== null || edge.address === null) return [];
    return [
      {
        code: "upstream-unknown",
        severity: "warning",
        node: node.name,
        message: `the upstream of ${node.name}, ${placeOf(edge)}, is no node of the topology file`,
        hint: "add it, or say with `replication` under which address standbys reach a node",
      },
    ];
  });
}

/** A standby of the archive alone is meant to be; one without either source is not, nor one that should stream and does
 * not: where its setting leads may be known to its service file alone. */
export function missingUpstreams(structure: Structure): readonly Finding[] {
  return standbysOf(structure).flatMap((node): Finding[] => {
    if (structure.edges.has(node.name) || node.receiver !== null) return [];
    if (node.marks.quiesced) return [];
    const about = { code: "upstream-missing", node: node.name } as const;
    const hint = `to give it one: \`remaster repoint ${node.name} --to UPSTREAM\``;
    if (node.settings.primary_conninfo?.value === null) {
      const message = `${node.name} runs no receiver, and our role may not read its primary_conninfo`;
      return [{ ...about, severity: "note", message, hint }];
    }
    const starves = structure.primaries.length > 0 ? "problem" : "warning";
    if (settingText(node, "primary_conninfo") !== null) {
      const message = `${node.name} runs no receiver, though it has a primary_conninfo`;
      return [{ ...about, severity: starves, message, hint: `see the log of ${node.name}` }];
    }
    const archive = settingText(node, "restore_command") !== null;
    const message = `${node.name} has no upstream${archive ? ": it lives off the archive" : ""}`;
    return [{ ...about, severity: archive ? "note" : starves, message, hint }];
  });
}

/** A ring of standbys gets WAL from nowhere. */
export function upstreamCycles(structure: Structure): readonly Finding[] {
  return structure.cycles.map((cycle) => ({
    code: "upstream-cycle",
    severity: "problem",
    message: `standbys are their own upstreams: ${[...cycle, cycle[0] ?? ""].join(" <- ")}`,
    hint: `\`remaster repoint ${cycle[0] ?? "NODE"} --to ${structure.primaries[0] ?? "PRIMARY"}\``,
  }));
}
