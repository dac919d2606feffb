// Preconditions that several verbs share, each a function from what was observed to the findings that speak against
// going on. What PostgreSQL does when they are not met stands with each.

import { formatAddress } from "../conninfo/hosts.ts";
import type { Finding } from "../topology/finding.ts";
import { strayNodes } from "../topology/fork-rules.ts";
import type { Observation, ReachedNode, SettingName } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import {
  allPrimaries,
  clusterMajor,
  isInPointInTimeRecovery,
  isOurs,
  majorOf,
  reachedNodes,
  type Structure,
} from "../topology/structure.ts";
import { problem } from "./request.ts";

export function checkReachable(node: Observation): Finding[] {
  if (node.reachable) return [];
  return [
    problem("node-unreachable", node.name, {
      message: `${node.name} cannot be reached: ${node.reason}`,
      hint: "see `remaster status`",
    }),
  ];
}

/** Another database cluster, or another major of it, is none of ours: nothing there may be changed. */
export function checkBelongs(topology: Topology, node: ReachedNode): Finding[] {
  const hint = "correct its address in the topology file";
  if (!isOurs(topology, node)) {
    const message = `${node.name} has system identifier ${node.systemIdentifier}, the cluster ${topology.systemIdentifier ?? "none"}`;
    return [problem("other-cluster", node.name, { message, hint })];
  }
  const major = clusterMajor(topology);
  if (major === null || majorOf(node) === major) return [];
  const message = `${node.name} runs PostgreSQL ${node.versionText}, the cluster ${major}`;
  return [problem("other-major", node.name, { message, hint })];
}

/** A node that left the accepted line is left alone, and nobody is led to it. */
export function checkOnLine(topology: Topology, node: ReachedNode): Finding[] {
  return strayNodes(topology)
    .filter((finding) => finding.node === node.name)
    .map((finding) => ({ ...finding, severity: "problem" }));
}

export function checkStandby(node: ReachedNode): Finding[] {
  if (node.role === "standby") return [];
  return [
    problem("not-a-standby", node.name, {
      message: `${node.name} is a primary, not a standby`,
      hint: "see `remaster status`",
    }),
  ];
}

function hasRestoreCommand(node: ReachedNode): boolean {
  const value = node.settings.restore_command?.value ?? null;
  return value !== null && value !== "";
}

/** Waits that a startup process enters in standby mode only (13 to 18). */
const standbyWaits = ["Timeout/RecoveryRetrieveRetryInterval", "Activity/RecoveryWalStream"];

/** Its startup process waits for WAL, as none does that is about to lead. */
export function waitsForWal({ startupWait }: ReachedNode): boolean {
  return standbyWaits.includes(startupWait ?? "");
}

/** In point-in-time recovery a restore_command that answers "not there" ends recovery: the node promotes itself (15).
 * Without a restore_command a server in recovery is in standby mode: it refuses to start otherwise. */
export function checkStandbyMode(node: ReachedNode): Finding[] {
  const hint = "see whether standby.signal is in its data directory";
  if (isInPointInTimeRecovery(node)) {
    const message = `${node.name} is in point-in-time recovery, not in standby mode`;
    return [problem("not-in-standby-mode", node.name, { message, hint })];
  }
  const proven =
    node.standbySignal === true ||
    node.receiver !== null ||
    waitsForWal(node) ||
    !hasRestoreCommand(node);
  if (proven) return [];
  const message = `${node.name} has a restore_command and could not be proven to be in standby mode`;
  return [problem("not-in-standby-mode", node.name, { message, hint })];
}

/** restore_command is reloadable from 14 on. */
export function checkRestoreCommand(node: ReachedNode): Finding[] {
  if (node.version >= 140_000 || !hasRestoreCommand(node)) return [];
  return [
    problem("restore-command-13", node.name, {
      message: `${node.name} runs PostgreSQL ${node.versionText} with a restore_command, which cannot be changed there without a restart`,
      hint: `remove restore_command from ${node.name}'s configuration and restart it`,
    }),
  ];
}

/** A standby whose replay is held up obeys no change of primary_conninfo and does not finish a promotion (15, 18). */
export function checkReplay(
  node: ReachedNode,
  options: { readonly cancelQueries: boolean },
): Finding[] {
  switch (node.replay) {
    case "running":
      return [];
    case "blocked": {
      if (options.cancelQueries) return [];
      const who = node.blockers
        .map((session) => `pid ${session.pid} (${session.user ?? "unknown user"})`)
        .join(", ");
      return [
        problem("replay-held-up", node.name, {
          message: `replay on ${node.name} is blocked${who === "" ? "" : ` by ${who}`}`,
          hint: "end those sessions, or let --cancel-queries do it",
        }),
      ];
    }
    case "paused":
      return [
        problem("replay-held-up", node.name, {
          message: `replay on ${node.name} is paused`,
          hint: `run SELECT pg_wal_replay_resume() on ${node.name}`,
        }),
      ];
    case "delayed":
      return [
        problem("replay-held-up", node.name, {
          message: `replay on ${node.name} is delayed by recovery_min_apply_delay = ${node.settings.recovery_min_apply_delay?.value ?? "unknown"}`,
          hint: `set recovery_min_apply_delay to 0 on ${node.name} and reload`,
        }),
      ];
  }
}

const changedSettings: readonly SettingName[] = ["primary_conninfo", "restore_command"];

const checkpointRight = /^SUPERUSER$|^pg_checkpoint$/;

export function mayCheckpoint({ lackingRights = [] }: ReachedNode): boolean {
  return !lackingRights.some((right) => checkpointRight.test(right));
}

/** Rights that the act would need, asked before anything is changed: with the primary gone nobody can grant them. */
export function checkRights(
  node: ReachedNode,
  kind: "settings" | "promotion" | "slots" | "fence" | "demotion" | "checkpoint",
): Finding[] {
  const wanted = {
    settings: /^SUPERUSER$|^ALTER SYSTEM.* (primary_|restore_)|pg_reload_conf|pg_wal_replay_/,
    fence: /^SUPERUSER$|^ALTER SYSTEM.* (default_|synchronous_|remaster\.fenced)|pg_reload_conf/,
    demotion: /^ALTER SYSTEM.* remaster\.demoted/,
    checkpoint: checkpointRight,
    promotion: /pg_promote|pg_reload_conf/,
    slots: /^REPLICATION$/,
  }[kind];
  const blind =
    kind === "settings" ? node.missingRights.filter((right) => right === "pg_monitor") : [];
  const lacking = [...(node.lackingRights ?? []).filter((right) => wanted.test(right)), ...blind];
  if (lacking.length === 0) return [];
  return [
    problem("missing-right", node.name, {
      message: `the role lacks on ${node.name}: ${lacking.join("; ")}`,
      hint: "grant it on the primary (`remaster role --print NAME` has the statements), or connect as a superuser",
    }),
  ];
}

/** A value from the command line beats ALTER SYSTEM; allow_alter_system = off (17+) forbids it. */
export function checkSettings(node: ReachedNode): Finding[] {
  return [...checkRights(node, "settings"), ...checkReach(node, changedSettings)];
}

export function checkReach(node: ReachedNode, names: readonly SettingName[]): Finding[] {
  const hint = "change it where the server is started";
  const fixed = names
    .filter((name) => node.settings[name]?.source === "command line")
    .map((name) =>
      problem("setting-out-of-reach", node.name, {
        message: `${name} of ${node.name} is set on the server's command line, where ALTER SYSTEM cannot reach it`,
        hint,
      }),
    );
  if (node.settings.allow_alter_system?.value !== "off") return fixed;
  const message = `ALTER SYSTEM is not allowed on ${node.name} (allow_alter_system = off)`;
  return [...fixed, problem("setting-out-of-reach", node.name, { message, hint })];
}

/** All that stands between a standby and a change of its upstream. */
export function checkChangeable(
  node: ReachedNode,
  options: { readonly cancelQueries: boolean },
): Finding[] {
  return [
    ...checkStandby(node),
    ...checkStandbyMode(node),
    ...checkRestoreCommand(node),
    ...checkReplay(node, options),
    ...checkSettings(node),
  ];
}

/** Nodes that do not let us in and are likely the old primary: where the standbys' chains of upstreams end, or, where they
 * lead nowhere known, any of them. */
export function presumedPrimaries(topology: Structure): readonly string[] {
  const unreached = [...topology.nodes.values()].filter((node) => !node.reachable);
  const named = new Set([...topology.edges.values()].map((edge) => edge.upstream));
  const upstreams = unreached.filter((node) => named.has(node.name));
  return (upstreams.length > 0 ? upstreams : unreached).map((node) => node.name);
}

/** All that may be, the likely ones first. A cascade below a dead standby names that one alone, and says nothing of the
 * primary above it: only who is seen to be a standby is none. */
export function possiblePrimaries(topology: Structure): readonly string[] {
  const unreached = [...topology.nodes.values()].filter((node) => !node.reachable);
  const able = unreached.filter((node) => !topology.edges.has(node.name) && !isRecovering(node));
  return [...new Set([...presumedPrimaries(topology), ...able.map((node) => node.name)])];
}

/** In archive recovery, as a standby is before it is consistent. A primary that recovers from a crash says that it is
 * starting up, or in recovery mode (14 to 18; before, both say the same). */
function isRecovering({ sqlstate, reason }: { sqlstate: string | null; reason: string }): boolean {
  return sqlstate === "57P03" && / not (yet )?accepting connections/.test(reason);
}

/** Something that speaks PostgreSQL where the primary should be gone, an error included, is alive. */
export function checkPrimaryGone(topology: Topology, allowed: readonly string[] = []): Finding[] {
  const leading = allPrimaries(topology)
    .filter((name) => !allowed.includes(name))
    .map((name) =>
      problem("primary-answers", name, {
        message: `${name} answers and is a primary`,
        hint: "for a planned change stop that server cleanly first, then fail over",
      }),
    );
  const alive = possiblePrimaries(topology).flatMap((name) => {
    const node = topology.nodes.get(name);
    if (node?.reachable !== false || !node.speaksPostgres) return [];
    return [
      problem("primary-may-answer", name, {
        message: `PostgreSQL answers at ${name}, which may be the primary: ${node.reason}`,
        hint: `wait until ${name} lets you in, or stop it; a standby may be left out of the topology file`,
      }),
    ];
  });
  return [...leading, ...alive];
}

/** A standby that still hears from an upstream which is not one of the observed standbys hears from a primary. */
export function checkNobodyReceives(
  topology: Topology,
  options: { readonly patienceMs: number; readonly except?: readonly string[] },
): Finding[] {
  const standbys = new Set(
    reachedNodes(topology)
      .filter((node) => node.role === "standby")
      .map((node) => node.name),
  );
  return reachedNodes(topology).flatMap((node) => {
    const { receiver } = node;
    if (node.role !== "standby" || receiver === null) return [];
    // Hidden from a role that may not see it, a message may have come this moment.
    const age = receiver.lastMessageAgeMs;
    if (age !== null && age >= options.patienceMs) return [];
    const edge = topology.edges.get(node.name);
    const upstream = edge?.upstream ?? null;
    if (
      upstream !== null &&
      (standbys.has(upstream) || options.except?.includes(upstream) === true)
    )
      return [];
    const from = upstream ?? (edge?.address ? formatAddress(edge.address) : "an unknown upstream");
    return [
      problem("still-receiving", node.name, {
        message:
          age === null
            ? `${node.name} has a receiver from ${from}, and this role may not see how old its last message is`
            : `${node.name} had a message from ${from} ${Math.round(age)} ms ago`,
        hint:
          age === null
            ? "GRANT pg_monitor TO the role of remaster"
            : `the primary may live where you cannot see it; stop it, or quiesce ${node.name}`,
      }),
    ];
  });
}
