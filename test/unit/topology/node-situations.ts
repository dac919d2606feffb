// Situations of one node by itself, with the findings that they give.

import { lsn } from "../../../src/wal/lsn.ts";
import { address, healthy, reached, setting, slot, unreached } from "./build.ts";
import { pair, type Situation } from "./situation.ts";

const gone = { receiver: null } as const;
const handedOver = {
  standbySignal: true,
  demoted: { to: address("n2") },
  shutDownAt: { timeline: 1, lsn: lsn(0x3000000n) },
} as const;
const elsewhere = { address: address("elsewhere"), node: "n1" };

export const nodes: readonly Situation[] = [
  {
    what: "replay blocked by sessions",
    nodes: pair({
      replay: "blocked",
      blockers: [
        { pid: 77, user: "bi", database: "dw", applicationName: "psql", transactionAgeMs: 9000 },
      ],
    }),
    findings: [
      ["replay-blocked", "warning", "n2"],
      ["no-candidate", "warning"],
    ],
    says: "pid 77 of bi in dw",
    hint: "--cancel-queries",
  },
  {
    what: "a pause asked for",
    nodes: pair({ pauseRequested: true }),
    findings: [
      ["replay-paused", "warning", "n2"],
      ["no-candidate", "warning"],
    ],
    says: "was asked for",
  },
  {
    what: "a delay that is meant to be",
    nodes: [
      reached({ name: "n1", to: ["n2", "n3"] }),
      reached({ name: "n2", from: "n1" }),
      reached({
        name: "n3",
        from: "n1",
        replay: "delayed",
        settings: { recovery_min_apply_delay: setting("3600000") },
      }),
    ],
    findings: [["replay-delayed", "note", "n3"]],
    says: "by 3600000 ms",
  },
  {
    what: "quiesced",
    nodes: pair({ ...gone, marks: { quiesced: true, restoreQuiesced: true } }, { to: [] }),
    findings: [["quiesced", "problem", "n2"]],
    hint: "remaster unquiesce n2",
  },
  {
    what: "a quiesce mark while the receiver streams on (pause, then quiesce)",
    nodes: pair({ replay: "paused", marks: { quiesced: true } }),
    findings: [
      ["quiesce-without-effect", "problem", "n2"],
      ["replay-paused", "warning", "n2"],
      ["no-candidate", "warning"],
    ],
    says: "its receiver runs (streaming), and its replay is paused",
  },
  {
    what: "a quiesce mark left on restore_command",
    nodes: pair({ marks: { restoreQuiesced: true } }),
    findings: [["restore-quiesced", "warning", "n2"]],
  },
  {
    what: "a quiesce mark that sleeps on a primary",
    nodes: pair({}, { marks: { quiesced: true } }),
    findings: [["quiesced", "note", "n1"]],
  },
  {
    what: "a slot that was made for it and left, of a standby that is quiesced",
    nodes: pair({ ...gone, marks: { quiesced: true, slotsAt: [elsewhere] } }, { to: [] }),
    findings: [["quiesced", "problem", "n2"]],
    says: "takes no WAL from its upstream; a slot was made for it on n1",
    hint: "remaster unquiesce n2",
  },
  {
    what: "a slot that was made for it and left, of a primary",
    nodes: pair({}, { marks: { quiesced: true, slotsAt: [{ ...elsewhere, node: null }] } }),
    findings: [["quiesced", "note", "n1"]],
    says: "without effect on a primary; a slot was made for it on elsewhere:5432",
    hint: "remaster unquiesce n1",
  },
  {
    what: "a repoint left half-way",
    nodes: pair({ marks: { repointing: address("n1") } }),
    findings: [["repoint-unsettled", "warning", "n2"]],
    says: "pointed at n1:5432",
    hint: "remaster repoint n2 --to n1",
  },
  {
    what: "a standby that bears the fence",
    nodes: pair({ marks: { fenced: true } }),
    findings: [["fenced", "warning", "n2"]],
    says: "promoted, it would refuse writes",
  },
  {
    what: "standby.signal left on a primary",
    nodes: pair({}, { standbySignal: true }),
    findings: [["leftover-standby-signal", "problem", "n1"]],
  },
  {
    what: "a primary that crashed in its promotion",
    nodes: pair(
      {},
      { walFiles: { oldest: "000000010000000000000001", newest: "000000020000000000000006" } },
    ),
    findings: [["promotion-broken-off", "problem", "n1"]],
  },
  {
    what: "point-in-time recovery",
    nodes: [
      ...healthy(),
      reached({ name: "n5", from: "n4", standbySignal: false, recoverySignal: true }),
    ].with(3, reached({ name: "n4", from: "n3", to: ["n5"] })),
    findings: [["point-in-time-recovery", "warning", "n5"]],
  },
  {
    what: "both signal files: standby mode",
    nodes: pair({ standbySignal: true, recoverySignal: true }),
    findings: [],
  },
  {
    what: "a setting given on the command line",
    nodes: pair({ settings: { restore_command: setting("cp %f %p", "command line") } }),
    findings: [["setting-out-of-reach", "warning", "n2"]],
    says: "restore_command of n2",
  },
  {
    what: "ALTER SYSTEM forbidden",
    nodes: pair({}, { settings: { allow_alter_system: setting("off") } }),
    findings: [["setting-out-of-reach", "warning", "n1"]],
    says: "allow_alter_system is off on n1",
  },
  {
    what: "a password in primary_conninfo",
    nodes: pair({
      settings: { primary_conninfo: setting("host=n1 application_name=n2 password='s3cret'") },
    }),
    findings: [["password-in-conninfo", "note", "n2"]],
    hint: "passfile",
  },
  {
    what: "settings lower than the primary's",
    nodes: pair({
      settings: { max_connections: setting("50"), max_worker_processes: setting("9") },
    }),
    findings: [["setting-below-primary", "warning", "n2"]],
    says: "max_connections 50 < 100",
  },
  {
    what: "a fixed target timeline",
    nodes: pair({ settings: { recovery_target_timeline: setting("current") } }),
    findings: [["target-timeline-fixed", "warning", "n2"]],
  },
  {
    what: "no senders on a standby",
    nodes: pair(
      { settings: { max_wal_senders: setting("0") } },
      { settings: { max_wal_senders: setting("0") } },
    ),
    findings: [["standby-wal-senders", "warning", "n2"]],
  },
  {
    what: "rights that are missing",
    nodes: pair({ missingRights: ["REPLICATION"] }),
    findings: [["missing-right", "warning", "n2"]],
    says: "without REPLICATION",
  },
  {
    what: "a session of Patroni's",
    nodes: pair({ managerSessions: ["Patroni heartbeat"] }),
    findings: [["other-manager", "note"]],
    says: 'it looks as if Patroni manages this cluster: n2 has a session "Patroni heartbeat"',
  },
  {
    what: "settings as Patroni gives them",
    nodes: pair({
      settings: Object.fromEntries(
        [
          "cluster_name",
          "wal_level",
          "max_connections",
          "max_wal_senders",
          "max_replication_slots",
          "max_worker_processes",
          "max_prepared_transactions",
          "max_locks_per_transaction",
        ].map((name) => [name, setting("100", "command line")]),
      ),
    }),
    findings: [["other-manager", "note"]],
    says: "n2 has its settings on the command line",
  },
  {
    what: "repmgrd's library",
    nodes: pair({
      settings: { shared_preload_libraries: setting('pg_stat_statements, "repmgr"') },
    }),
    findings: [["other-manager", "note"]],
    says: "repmgrd manages",
  },
  {
    what: "slots of pg_auto_failover, Stolon and CloudNativePG",
    nodes: pair(
      { settings: { primary_slot_name: setting("stolon_a1b2") } },
      { slots: [slot("pgautofailover_standby_2"), slot("_cnpg_orders_2")] },
    ),
    findings: [
      ["other-manager", "note"],
      ["other-manager", "note"],
      ["other-manager", "note"],
    ],
    says: "pg_auto_failover manages this cluster: n1 has slot pgautofailover_standby_2",
  },
  {
    what: "CloudNativePG's restore_command",
    nodes: pair({
      settings: { restore_command: setting("/controller/manager wal-restore --log %f %p") },
    }),
    findings: [["other-manager", "note"]],
    says: "CloudNativePG manages",
  },
  {
    what: "libraries, slots and sessions of others",
    nodes: pair({
      managerSessions: [],
      settings: { shared_preload_libraries: setting("repmgr_tools,pg_cron") },
      slots: [slot("cnpg")],
    }),
    findings: [],
  },
  {
    what: "a primary that was about to hand over",
    nodes: pair({}, { marks: { demoted: true, repointing: address("n2") } }),
    findings: [
      ["demoted", "warning", "n1"],
      ["repoint-unsettled", "note", "n1"],
    ],
    says: "leads still",
    hint: "remaster undo",
  },
  {
    what: "a primary that was shut down to hand over, and nobody leads",
    nodes: [
      unreached({ name: "n1", stopped: handedOver }),
      reached({ name: "n2", from: "n1", role: "standby", ...gone }),
    ],
    findings: [
      ["no-primary", "problem"],
      ["demoted", "problem", "n1"],
      ["node-unreachable", "problem", "n1"],
      ["upstream-unreachable", "problem", "n1"],
    ],
  },
  {
    what: "a former primary that was not started again",
    nodes: [unreached({ name: "n1", stopped: handedOver }), reached({ name: "n2" })],
    findings: [
      ["demoted", "problem", "n1"],
      ["node-unreachable", "problem", "n1"],
    ],
    says: "n1 was shut down to be a standby of n2, and is not one yet",
    hint: "remaster rejoin n1 --to n2",
  },
  {
    what: "a priority without effect",
    nodes: [...healthy(), unreached({ name: "n5", promotable: false, priority: 3 })],
    findings: [
      ["node-unreachable", "problem", "n5"],
      ["priority-ignored", "note", "n5"],
    ],
  },
];
