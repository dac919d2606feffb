// Rules about settings and rights: what remaster could not change or see, and what will stop a standby later.

import { parseConninfo } from "../conninfo/parse.ts";
import { aboutEach } from "./about.ts";
import type { Finding } from "./finding.ts";
import type { ReachedNode, SettingName } from "./node.ts";
import { checkpointRole } from "./rights.ts";
import { settingInteger, settingText } from "./settings.ts";
import { ourNodes, solePrimary, type Structure, standbysOf } from "./structure.ts";

const changed: readonly SettingName[] = [
  "primary_conninfo",
  "primary_slot_name",
  "restore_command",
  "default_transaction_read_only",
  "synchronous_standby_names",
];

/** What cannot be changed shows now, not in the middle of a failover. */
export function settingsOutOfReach(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    const fixed = changed.filter((name) => node.settings[name]?.source === "command line");
    const forbidden = settingText(node, "allow_alter_system") === "off";
    const message = [
      ...(fixed.length === 0
        ? []
        : [
            `${fixed.join(", ")} of ${node.name} ${fixed.length === 1 ? "is" : "are"} given on the server's command line`,
          ]),
      ...(forbidden ? [`allow_alter_system is off on ${node.name}`] : []),
    ].join("; ");
    if (message === "") return [];
    return [
      {
        code: "setting-out-of-reach",
        severity: "warning",
        message: `${message}: remaster cannot change what it must`,
        hint: "change it where the server is started",
      },
    ];
  });
}

/** A common habit (pg_basebackup -R writes it so), hence a note. */
export function passwordsInConninfo(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    const parsed = parseConninfo(settingText(node, "primary_conninfo") ?? "");
    if (!parsed.ok || (parsed.conninfo["password"] ?? "") === "") return [];
    return [
      {
        code: "password-in-conninfo",
        severity: "note",
        message: `primary_conninfo of ${node.name} holds a password, and every change of it is logged in full`,
        hint: "keep the password in a file that `passfile` names",
      },
    ];
  });
}

const needed: readonly SettingName[] = [
  "max_connections",
  "max_worker_processes",
  "max_wal_senders",
  "max_prepared_transactions",
  "max_locks_per_transaction",
];

/** What is set lower on a standby than on the primary that it has or would have: `max_connections 50 < 100`. Hot standby
 * needs these at least as high: lower, replay pauses (14+) or the server ends (13). */
export function settingsBelow(standby: ReachedNode, primary: ReachedNode): readonly string[] {
  return needed.flatMap((name) => {
    const own = settingInteger(standby, name);
    const wanted = settingInteger(primary, name);
    return own !== null && wanted !== null && own < wanted ? [`${name} ${own} < ${wanted}`] : [];
  });
}

/** It shows no sooner than the primary's values reach the standby through the WAL. */
export function settingsBelowPrimary(structure: Structure): readonly Finding[] {
  const primary = solePrimary(structure);
  if (primary === null) return [];
  return aboutEach(standbysOf(structure), (node) => {
    const lower = settingsBelow(node, primary);
    if (lower.length === 0) return [];
    return [
      {
        code: "setting-below-primary",
        severity: "warning",
        message: `${node.name} is set lower than its primary ${primary.name}: ${lower.join(", ")}`,
        hint: `raise it on ${node.name} and restart it`,
      },
    ];
  });
}

/** Only `latest` follows an upstream through a promotion. */
export function fixedTargetTimelines(structure: Structure): readonly Finding[] {
  return aboutEach(standbysOf(structure), (node) => {
    const target = settingText(node, "recovery_target_timeline");
    if (target === null || target === "latest") return [];
    return [
      {
        code: "target-timeline-fixed",
        severity: "warning",
        message: `recovery_target_timeline of ${node.name} is ${target}: it will not follow to a new timeline`,
        hint: "set it to latest and restart the node",
      },
    ];
  });
}

/** Without senders nobody can follow the node or be brought level from it. */
export function missingWalSenders(structure: Structure): readonly Finding[] {
  return aboutEach(standbysOf(structure), (node) => {
    if (settingInteger(node, "max_wal_senders") !== 0) return [];
    return [
      {
        code: "standby-wal-senders",
        severity: "warning",
        message: `max_wal_senders is 0 on ${node.name}: nobody can stream from it`,
        hint: "raise it and restart the node",
      },
    ];
  });
}

/** What our role may not see is said, not guessed: a warning, for the rest of the look rests on less than it seems. */
export function missingRights(structure: Structure): readonly Finding[] {
  return aboutEach(ourNodes(structure), (node) => {
    if (node.missingRights.length === 0) return [];
    return [
      {
        code: "missing-right",
        severity: "warning",
        message: `without ${node.missingRights.join(", ")} some of ${node.name} is not known`,
        hint: rightsHint(node.missingRights),
      },
    ];
  });
}

function rightsHint(missing: readonly string[]): string {
  if (missing.includes("pg_monitor"))
    return "`remaster role --print NAME` has the SQL of a role that may";
  return missing.includes("REPLICATION")
    ? "give remaster's role the attribute, on the primary: ALTER ROLE ... REPLICATION"
    : "raise max_wal_senders, or end what takes the last one";
}

/** A role that may only look is well for looking; before the night of a failover somebody should know that it is one. */
export function rightsToChange(structure: Structure): readonly Finding[] {
  const lacking = new Set(ourNodes(structure).flatMap((node) => node.lackingRights ?? []));
  if (lacking.size === 0) return [];
  const only = lacking.size === 1 && lacking.has(checkpointRole);
  const then = only
    ? "a switchover would hold writes up for longer"
    : "verbs that change servers would be refused";
  return [
    {
      code: "missing-right",
      severity: "note",
      message: `${then}: the role lacks ${[...lacking].join("; ")}`,
      hint: "grant it on the primary, if this role is to do more than look",
    },
  ];
}

/** A priority that can never be used is a slip in the topology file. */
export function ignoredPriorities(structure: Structure): readonly Finding[] {
  return [...structure.nodes.values()]
    .filter((node) => !node.promotable && node.priority !== 0)
    .map((node) => ({
      code: "priority-ignored",
      severity: "note",
      node: node.name,
      message: `priority ${node.priority} of ${node.name} has no effect: it is not promotable`,
    }));
}
