// Whether a new primary's settings fit its standbys: what PostgreSQL would do with them shows only after the promotion, when
// it is too late to choose. A standby whose max_connections (or one of its like) is lower than its primary's pauses replay
// (14 and later) or ends (13) at the first record of the new timeline; one with a fixed recovery_target_timeline stays
// behind; without a free WAL sender or slot it cannot follow; and commits that wait for nobody wait for ever.

import { parseSynchronousStandbyNames } from "../topology/durability.ts";
import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import { receiverNameOf, sendersOf } from "../topology/senders.ts";
import { settingInteger, settingText } from "../topology/settings.ts";
import { settingsBelow } from "../topology/setting-rules.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { problem } from "./request.ts";

/** What an operator takes upon himself. */
export interface FitAcceptance {
  /** Standbys that cannot follow are left where they are. */
  readonly strandedStandbys: boolean;
  /** Commits may wait until somebody confirms them. */
  readonly blockedCommits: boolean;
}

/** A node that leads, or is to, and the standbys that would stream from it itself. */
export interface Pairing {
  readonly leader: ReachedNode;
  readonly standbys: readonly ReachedNode[];
  /** Those that would stream from another standby. */
  readonly below?: readonly ReachedNode[];
}

/** The values reach every standby through the WAL, in a cascade too. */
export function checkLimits({ leader, standbys, below = [] }: Pairing): Finding[] {
  return [...standbys, ...below].flatMap((node) => {
    const lower = settingsBelow(node, leader);
    if (lower.length === 0) return [];
    const then = node.version >= 140_000 ? "its replay would pause" : "it would end";
    return [
      problem("setting-below-primary", node.name, {
        message: `below ${leader.name} as primary ${node.name} would have too little of ${lower.join(", ")}: ${then}`,
        hint: `raise it on ${node.name} and restart it`,
      }),
    ];
  });
}

/** Where a node leads already, its values have reached whoever follows it: no more than worth knowing. */
export function tellOfLimits(pairing: Pairing): Finding[] {
  const found = pairing.leader.role === "primary" ? checkLimits(pairing) : [];
  return found.map(({ code, node, message }) => ({
    code,
    severity: "warning",
    ...(node === undefined ? {} : { node, hint: `raise it on ${node} and restart it` }),
    message,
  }));
}

/** Every standby takes a WAL sender of the node that it streams from. */
export function checkWalSenders({ leader, standbys }: Pairing): Finding[] {
  const allowed = settingInteger(leader, "max_wal_senders");
  const coming = standbys.filter((node) => sendersOf(leader, node).length === 0);
  const taken = leader.senders.length;
  if (allowed === null || coming.length === 0 || coming.length <= allowed - taken) return [];
  return [
    problem("too-few-wal-senders", leader.name, {
      message: `${leader.name} allows ${allowed} WAL senders, ${taken} of them in use, and ${namesOf(coming)} would need ${coming.length}`,
      hint: `raise max_wal_senders on ${leader.name} and restart it`,
    }),
  ];
}

/** Every standby gets a slot of its own on the node that it streams from. */
export function checkSlots({ leader, standbys }: Pairing): Finding[] {
  const allowed = settingInteger(leader, "max_replication_slots");
  const there = new Set(leader.slots.map((slot) => slot.slotName));
  const coming = standbys.filter(
    (node) => !there.has(physicalSlotName(node.name, settingText(node, "primary_slot_name"))),
  );
  if (allowed === null || coming.length === 0 || coming.length <= allowed - there.size) return [];
  return [
    problem("too-few-slots", leader.name, {
      message: `${leader.name} allows ${allowed} replication slots, has ${there.size}, and ${namesOf(coming)} would need ${coming.length} more`,
      hint: `drop a slot on ${leader.name}, or raise max_replication_slots there and restart it`,
    }),
  ];
}

/** Its own synchronous_standby_names comes into force with the promotion. */
export function checkConfirmers({ leader, standbys }: Pairing): Finding[] {
  const commit = settingText(leader, "synchronous_commit");
  const text = settingText(leader, "synchronous_standby_names");
  const wanted = parseSynchronousStandbyNames(text ?? "");
  if (wanted === null || commit === "off" || commit === "local") return [];
  const names = new Set(wanted.names.map((name) => name.toLowerCase()));
  const able = standbys.filter((node) => {
    const name = receiverNameOf(node);
    return name === null || names.has("*") || names.has(name.toLowerCase());
  });
  if (able.length >= wanted.count) return [];
  const would = able.length === 0 ? "nobody who would follow it is" : `only ${namesOf(able)} is`;
  return [
    problem("commits-would-block", leader.name, {
      message: `synchronous_standby_names of ${leader.name} demands ${wanted.count} of ${wanted.names.join(", ")}, and ${would} one of them: commits would wait once it leads`,
      hint: `change synchronous_standby_names on ${leader.name} and reload, or --accept-blocked-commits`,
    }),
  ];
}

/** Only `latest` follows an upstream to a timeline that is new. */
export function checkTargetTimeline(node: ReachedNode, to: ReachedNode): Finding[] {
  const target = settingText(node, "recovery_target_timeline");
  const isNew = to.role === "standby" || node.timeline !== to.timeline;
  if (target === null || target === "latest" || !isNew) return [];
  return [
    problem("target-timeline-fixed", node.name, {
      message: `recovery_target_timeline of ${node.name} is ${target}: it cannot follow ${to.name} to a new timeline`,
      hint: `set it to latest on ${node.name} and restart it, then \`remaster repoint ${node.name} --to ${to.name}\``,
    }),
  ];
}

function namesOf(nodes: readonly ReachedNode[]): string {
  return nodes.map((node) => node.name).join(", ");
}

/** Everything that does not fit, but for what the operator accepts. */
export function checkFit(pairing: Pairing, accepted: FitAcceptance): Finding[] {
  return [
    ...(accepted.strandedStandbys ? [] : strandings(pairing).map(overridable)),
    ...(accepted.blockedCommits ? [] : checkConfirmers(pairing)),
  ];
}

/** What the operator accepts stands in the plan. */
export function tellOfFit(pairing: Pairing, accepted: FitAcceptance): Finding[] {
  const told = [
    ...(accepted.strandedStandbys ? strandings(pairing) : []),
    ...(accepted.blockedCommits ? checkConfirmers(pairing) : []),
  ];
  return told.map((finding) => ({ ...finding, severity: "warning" }));
}

export function overridable(finding: Finding): Finding {
  const { hint = "choose another candidate with --to" } = finding;
  return { ...finding, hint: `${hint}; or --accept-stranded-standbys` };
}

function strandings(pairing: Pairing): Finding[] {
  return [...checkLimits(pairing), ...checkWalSenders(pairing), ...checkSlots(pairing)];
}
