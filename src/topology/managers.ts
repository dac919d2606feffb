// Other programs that manage a cluster, by the marks that they leave where a look sees them: sessions by their
// application_name, names of slots, settings. Marks that only they make; none of it proves that one is at work this moment.
// Patroni gives its settings on the server's command line (and calls its sessions `Patroni ...`), repmgrd needs its library
// preloaded, pg_auto_failover and Stolon name slots by their rule, CloudNativePG restores through its own manager.

import type { Finding } from "./finding.ts";
import type { ReachedNode, SettingName } from "./node.ts";
import { settingText } from "./settings.ts";
import { ourNodes, type Structure } from "./structure.ts";

interface Manager {
  readonly name: string;
  /** What the node bears of it, in words; null where it bears nothing. */
  readonly mark: (node: ReachedNode) => string | null;
}

const managers: readonly Manager[] = [
  {
    name: "Patroni",
    mark: (node) =>
      sessionOf(node, /^Patroni(?: |$)/) ??
      (givenByPatroni.every((name) => node.settings[name]?.source === "command line")
        ? "its settings on the command line"
        : null),
  },
  {
    name: "repmgrd",
    mark: (node) =>
      sessionOf(node, /^repmgr$/) ??
      (librariesOf(node).includes("repmgr") ? "repmgr in shared_preload_libraries" : null),
  },
  { name: "pg_auto_failover", mark: (node) => slotOf(node, "pgautofailover_standby") },
  {
    name: "CloudNativePG",
    mark: (node) =>
      sessionOf(node, /^cnpg-instance-manager$/) ??
      slotOf(node, "_cnpg_") ??
      ((settingText(node, "restore_command") ?? "").includes("/controller/manager ")
        ? "its restore_command"
        : null),
  },
  { name: "Stolon", mark: (node) => slotOf(node, "stolon_") },
];

/** The sessions to look for, as a regular expression of PostgreSQL's. */
export const managerSessions = "^(Patroni( |$)|repmgr$|cnpg-instance-manager$)";

/** Patroni gives these on the command line always; nobody else gives them all. */
const givenByPatroni: readonly SettingName[] = [
  "cluster_name",
  "wal_level",
  "max_connections",
  "max_wal_senders",
  "max_replication_slots",
  "max_worker_processes",
  "max_prepared_transactions",
  "max_locks_per_transaction",
];

function sessionOf(node: ReachedNode, pattern: RegExp): string | null {
  const name = node.managerSessions?.find((each) => pattern.test(each));
  return name === undefined ? null : `a session "${name}"`;
}

function slotOf(node: ReachedNode, prefix: string): string | null {
  const used = settingText(node, "primary_slot_name");
  const names = [...(used === null ? [] : [used]), ...node.slots.map((slot) => slot.slotName)];
  const found = names.find((name) => name.startsWith(prefix));
  return found === undefined ? null : `slot ${found}`;
}

function librariesOf(node: ReachedNode): readonly string[] {
  const text = settingText(node, "shared_preload_libraries") ?? "";
  return text.split(",").map((name) => name.trim().replaceAll('"', ""));
}

/** One finding per manager, with the marks that it left. A cluster that is managed well is not ill: a note. */
export function otherManagers(structure: Structure): readonly Finding[] {
  return managers.flatMap(({ name, mark }) => {
    const marks = ourNodes(structure).flatMap((node) => {
      const found = mark(node);
      return found === null ? [] : [`${node.name} has ${found}`];
    });
    if (marks.length === 0) return [];
    return [
      {
        code: "other-manager",
        severity: "note",
        message: `it looks as if ${name} manages this cluster: ${marks.join(", ")}`,
        hint: `verbs that change servers refuse beside ${name}, which may take back what they do`,
      },
    ];
  });
}
