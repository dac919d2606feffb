// Rules about one node by itself: what holds its replay up, marks of ours that were left, signal files that will bite
// at the next start.

import { formatAddress } from "../conninfo/hosts.ts";
import { aboutEach, type Said } from "./about.ts";
import { findDemoted } from "./demoted.ts";
import { demotionHint, goOnOrBack } from "./demotion-hints.ts";
import { findSlotPlace } from "./edges.ts";
import type { AwaitedSlot } from "./fence-mark.ts";
import type { Finding, Severity } from "./finding.ts";
import type { ReachedNode } from "./node.ts";
import { settingInteger } from "./settings.ts";
import { timelineOfFile } from "../wal/segment.ts";
import {
  isInPointInTimeRecovery,
  ourNodes,
  reachedNode,
  type Structure,
  standbysOf,
} from "./structure.ts";

/** A mark matters on a standby; on a primary the setting sleeps until it is a standby again. */
function severityOfMark(node: ReachedNode): Severity {
  return node.role === "standby" ? "warning" : "note";
}

/** Replay that is held up makes the node useless as a candidate; a delay alone is meant to be. */
export function heldUpReplay(structure: Structure): readonly Finding[] {
  return aboutEach(standbysOf(structure), (node) => {
    switch (node.replay) {
      case "running":
        return node.pauseRequested ? [pauseRequested(node)] : [];
      case "paused":
        return [paused(node)];
      case "blocked":
        return [blocked(node)];
      case "delayed":
        return [delayed(node)];
    }
  });
}

function paused(node: ReachedNode): Said {
  return {
    code: "replay-paused",
    severity: "warning",
    message: `replay on ${node.name} is paused`,
    hint: `to go on: SELECT pg_wal_replay_resume() on ${node.name}`,
  };
}

function pauseRequested(node: ReachedNode): Said {
  return { ...paused(node), message: `a pause of replay on ${node.name} was asked for` };
}

function blocked(node: ReachedNode): Said {
  const sessions = node.blockers.map((each) => {
    const database = each.database === null ? "" : ` in ${each.database}`;
    return `pid ${each.pid} of ${each.user ?? "a user unknown"}${database}`;
  });
  const by =
    sessions.length === 0 ? "by sessions that our role may not see" : `by ${sessions.join(", ")}`;
  return {
    code: "replay-blocked",
    severity: "warning",
    message: `replay on ${node.name} is blocked ${by}`,
    hint: `wait, or end those sessions: \`remaster quiesce ${node.name} --cancel-queries\` does`,
  };
}

function delayed(node: ReachedNode): Said {
  const delay = settingInteger(node, "recovery_min_apply_delay");
  const by = delay === null || delay === 0 ? "" : ` by ${delay} ms`;
  return {
    code: "replay-delayed",
    severity: "note",
    message: `replay on ${node.name} is delayed${by}: it is no candidate`,
  };
}

/** A mark is a claim: whether the node is still shows its receiver. */
export function quiesceMarks(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    if (!node.marks.quiesced) return node.marks.restoreQuiesced ? [restoreQuiesced(node)] : [];
    if (node.role === "standby" && node.receiver !== null) return [quiesceWithoutEffect(node)];
    return [quiesced(structure, node)];
  });
}

/** Beside a primary that writes, a standby that takes nothing is no standby; without one it only waits. */
function quiesced(structure: Structure, node: ReachedNode): Said {
  const made = slotsMadeFor(structure, node);
  if (node.role === "primary") {
    return {
      code: "quiesced",
      severity: severityOfMark(node),
      message: `primary_conninfo of ${node.name} bears the quiesce mark, without effect on a primary${made}`,
      ...(made === "" ? {} : { hint: `\`remaster unquiesce ${node.name}\` drops the slot` }),
    };
  }
  return {
    code: "quiesced",
    severity: structure.primaries.length > 0 ? "problem" : severityOfMark(node),
    message: `${node.name} is quiesced: it takes no WAL from its upstream${made}`,
    hint: `\`remaster unquiesce ${node.name}\``,
  };
}

/** By an exchange that was cut short before it dropped it. */
function slotsMadeFor(structure: Structure, { marks }: ReachedNode): string {
  const places = (marks.slotsAt ?? []).map(
    (place) => findSlotPlace(structure.nodes, place) ?? formatAddress(place.address),
  );
  return places.length === 0 ? "" : `; a slot was made for it on ${places.join(", ")}`;
}

function restoreQuiesced(node: ReachedNode): Said {
  return {
    code: "restore-quiesced",
    severity: severityOfMark(node),
    message: `restore_command of ${node.name} bears the quiesce mark`,
    hint: `\`remaster unquiesce ${node.name}\``,
  };
}

function quiesceWithoutEffect(node: ReachedNode): Said {
  const why = node.replay === "running" ? "" : `, and its replay is ${node.replay}`;
  return {
    code: "quiesce-without-effect",
    severity: "problem",
    message: `${node.name} bears the quiesce mark while its receiver runs (${node.receiver?.status ?? "none"})${why}`,
    hint: `let its replay go on, then \`remaster quiesce ${node.name}\` again, or \`remaster unquiesce ${node.name}\``,
  };
}

/** A repoint that nobody settled: both the old and the new upstream stand in the setting. */
export function unsettledRepoints(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    const { repointing } = node.marks;
    if (repointing === null) return [];
    const edge = structure.edges.get(node.name);
    const to = edge?.upstream ?? "UPSTREAM";
    return [
      {
        code: "repoint-unsettled",
        severity: severityOfMark(node),
        message: `${node.name} was pointed at ${formatAddress(repointing)}, and that was never settled`,
        hint: `to settle it: \`remaster repoint ${node.name} --to ${to}\`; to take it back: \`remaster unquiesce ${node.name}\``,
      },
    ];
  });
}

/** A switchover was cut short on its way to the slots that are made on the new primary alone. */
function closedNode({ name, role }: ReachedNode, awaits: readonly AwaitedSlot[]): Said {
  const slots = awaits.map(({ slotName }) => slotName).join(", ");
  if (role === "primary") {
    const message = `${name} leads and refuses writes until it has its logical slots (${slots})`;
    const hint = `\`remaster switchover --to ${name}\` makes them and lets writes in`;
    return { code: "fenced", severity: "problem", message, hint };
  }
  const message = `${name} would lead and refuse writes until it has its logical slots (${slots})`;
  const hint = `the switchover that was cut short goes on when it is run again; \`remaster undo\` or \`remaster unfence ${name}\` takes it back`;
  return { code: "fenced", severity: "warning", message, hint };
}

/** On a primary the fence holds writes off now; on a standby it would after a promotion. */
export function fences(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    if (!node.marks.fenced) return [];
    const { name } = node;
    if (node.marks.awaits !== undefined) return [closedNode(node, node.marks.awaits)];
    const led = structure.primaries.some(
      (other) => reachedNode(structure, other)?.marks.fenced === false,
    );
    if (node.role === "primary" && !led) {
      const message = `${name} is fenced: it refuses writes, and no other node that was reached takes any`;
      const hint = `\`remaster unfence ${name}\` lets them back, or the verb that was interrupted goes on`;
      return [{ code: "fenced", severity: "problem", message, hint }];
    }
    const effect =
      node.role === "primary" ? "it refuses writes" : "promoted, it would refuse writes";
    return [
      {
        code: "fenced",
        severity: "warning",
        message: `${name} is fenced: ${effect}`,
        hint: `\`remaster rejoin ${name}\` makes it a standby of the one that leads, and takes its fence off`,
      },
    ];
  });
}

/** A switchover that was cut short. Where nobody leads, nobody takes writes until somebody goes on. */
export function demotions(structure: Structure): readonly Finding[] {
  const [leader] = structure.primaries;
  const leading = aboutEach(ourNodes(structure), (node) => {
    if (node.role !== "primary" || node.marks.demoted !== true) return [];
    const message = `${node.name} was about to hand over, and leads still`;
    const hint = goOnOrBack;
    return [{ code: "demoted", severity: "warning", message, hint }];
  });
  const over = findDemoted(structure).map(({ name, to, isDown }): Finding => {
    const was = isDown ? "was shut down" : "came back";
    const whose = to === null ? "" : ` of ${to}`;
    const message = `${name} ${was} to be a standby${whose}, and ${leader === undefined ? "nobody leads" : `is not one yet`}`;
    const hint = demotionHint(name, leader);
    const severity = leader === undefined || isDown ? "problem" : "warning";
    return { code: "demoted", severity, node: name, message, hint };
  });
  return [...leading, ...over];
}

/** Once standby.signal is gone and before anything is written on the new timeline, a crash brings the node back as a primary on
 * the old one (15, 18): its WAL of a later timeline than its own tells. */
export function brokenOffPromotions(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    const newest = node.walFiles === null ? null : timelineOfFile(node.walFiles.newest);
    const own = node.timeline;
    if (node.role !== "primary" || own === null || newest === null || newest <= own) return [];
    return [
      {
        code: "promotion-broken-off",
        severity: "problem",
        message: `${node.name} leads on timeline ${own} and has WAL of timeline ${newest}: it crashed in its promotion, and what led before wrote on timeline ${own} as well`,
        hint: `let no former primary come back but from a new base backup of ${node.name}: neither pg_rewind nor a comparison of positions can tell its WAL apart`,
      },
    ];
  });
}

/** A crash is enough: the postmaster finds the file and the primary comes back read-only. */
export function leftoverStandbySignals(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    if (node.role !== "primary" || node.standbySignal !== true) return [];
    return [
      {
        code: "leftover-standby-signal",
        severity: "problem",
        message: `${node.name} is a primary with standby.signal in its data directory: its next start makes it a standby`,
        hint: "remove the file, unless the node is about to be demoted",
      },
    ];
  });
}

/** In point-in-time recovery our quiesce mark in restore_command would end recovery. */
export function pointInTimeRecovery(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    if (!isInPointInTimeRecovery(node)) return [];
    return [
      {
        code: "point-in-time-recovery",
        severity: "warning",
        message: `${node.name} is in point-in-time recovery, not in standby mode`,
        hint: "remaster leaves it alone; with standby.signal in place of recovery.signal it becomes a standby",
      },
    ];
  });
}
