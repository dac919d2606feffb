// The JSON contract as a schema: strict, so that a field which is not written down here, and in docs/json.md, fails.

import { z } from "zod";
import { exitTable, type Outcome } from "../../../src/errors.ts";
import { findingCatalogue } from "../../../src/topology/finding.ts";

const lsn = z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/);
const position = z.string().regex(/^[1-9]\d*@[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/);
const bigNumber = z.string().regex(/^\d+$/);
const time = z.iso.datetime();
const nullable = <T extends z.ZodType>(type: T) => type.nullable();
const commandLine = z.string().startsWith("remaster ");

const outcomes = Object.keys(exitTable).filter((each) => each !== "usage") as Outcome[];

const finding = z.strictObject({
  code: z.enum(Object.keys(findingCatalogue)),
  severity: z.enum(["note", "warning", "problem"]),
  node: nullable(z.string()),
  message: z.string(),
  hint: nullable(z.string()),
});

const slot = z.strictObject({
  slotName: z.string(),
  slotType: z.enum(["physical", "logical"]),
  plugin: nullable(z.string()),
  database: nullable(z.string()),
  temporary: z.boolean(),
  active: z.boolean(),
  restartLsn: nullable(lsn),
  confirmedFlushLsn: nullable(lsn),
  walStatus: nullable(z.string()),
  failover: nullable(z.boolean()),
  synced: nullable(z.boolean()),
  invalidationReason: nullable(z.string()),
  twoPhase: nullable(z.boolean()),
  conflicting: nullable(z.boolean()),
  catalogXmin: nullable(z.int()),
});

const node = z.strictObject({
  name: z.string(),
  reachable: z.boolean(),
  answer: z.enum([
    "ok",
    "error",
    "refused",
    "none",
    "silent",
    "not-postgres",
    "unresolved",
    "tls",
    "pooler",
  ]),
  speaksPostgres: z.boolean(),
  reason: nullable(z.string()),
  sqlstate: nullable(z.string()),
  promotable: z.boolean(),
  priority: z.number(),
  observedAt: time,
  role: z.enum(["primary", "standby", "unknown"]),
  systemIdentifier: nullable(bigNumber),
  version: nullable(z.string()),
  timeline: nullable(z.int()),
  position: nullable(position),
  currentLsn: nullable(lsn),
  receiveLsn: nullable(lsn),
  replayLsn: nullable(lsn),
  upstream: nullable(z.string()),
  upstreamAddress: nullable(z.string()),
  streaming: nullable(z.boolean()),
  lagBytes: nullable(bigNumber),
  lagSeconds: nullable(z.number()),
  diverged: nullable(z.boolean()),
  replay: nullable(z.enum(["running", "paused", "blocked", "delayed"])),
  quiesced: nullable(z.boolean()),
  repointing: nullable(z.string()),
  fenced: nullable(z.boolean()),
  demoted: nullable(z.boolean()),
  standbySignal: nullable(z.boolean()),
  recoverySignal: nullable(z.boolean()),
  missingRights: nullable(z.array(z.string())),
  slots: z.array(slot),
});

const topology = z.strictObject({
  cluster: z.string(),
  systemIdentifier: nullable(bigNumber),
  primaries: z.array(z.string()),
  cycles: z.array(z.array(z.string())),
  nodes: z.array(node),
});

const keptSlot = z.strictObject({
  slotName: z.string(),
  plugin: nullable(z.string()),
  database: nullable(z.string()),
  primary: z.string(),
  node: z.string(),
  method: z.enum(["failover-slot", "standby-slot", "slot-file"]),
  ready: z.boolean(),
  reason: nullable(z.string()),
  remedy: nullable(z.string()),
  confirmedFlushLsn: nullable(lsn),
  copyConfirmedFlushLsn: nullable(lsn),
  repeatBytes: nullable(bigNumber),
  aheadBytes: nullable(bigNumber),
});

const comparison = z.strictObject({
  ahead: nullable(z.string()),
  candidate: nullable(z.string()),
  exchange: nullable(z.strictObject({ from: z.string(), to: z.string(), bytes: bigNumber })),
  ranking: z.array(
    z.strictObject({
      node: z.string(),
      position: nullable(position),
      relation: z.enum(["same", "ahead", "behind", "diverged", "unknown"]),
      bytesBehind: nullable(bigNumber),
      promotable: z.boolean(),
      eligible: z.boolean(),
      reasons: z.array(z.string()),
    }),
  ),
});

const guarantee = z.strictObject({
  kind: z.enum(["proven", "unproven", "ahead-unreachable"]),
  basis: z.string(),
  primary: nullable(z.string()),
  observedAt: nullable(time),
  distanceBytes: nullable(bigNumber),
  synchronous: nullable(z.boolean()),
  unreached: z.array(z.string()),
  confirmers: nullable(z.array(z.string())),
});

const plan = z.strictObject({
  format: z.literal(1),
  verb: z.string(),
  observedAt: time,
  pointOfNoReturn: nullable(z.int()),
  stages: z.array(
    z.strictObject({
      reason: z.string(),
      commandLine,
      steps: z.array(
        z.strictObject({
          verb: z.string(),
          nodes: z.array(z.string()),
          commandLine,
          required: z.boolean(),
          undo: nullable(commandLine),
        }),
      ),
    }),
  ),
  findings: z.array(finding),
  guarantee: nullable(guarantee),
});

const step = z.strictObject({
  verb: z.string(),
  nodes: z.array(z.string()),
  commandLine,
  required: z.boolean(),
  state: z.enum(["already", "done", "failed", "undone", "skipped"]),
  ms: z.number(),
  detail: nullable(z.string()),
});

const run = z.strictObject({
  id: z.string(),
  verb: z.string(),
  cluster: nullable(z.string()),
  outcome: z.enum([...outcomes, "unfinished"]),
  beganAt: nullable(time),
  ms: nullable(z.number()),
  operator: nullable(z.string()),
  commandLine: nullable(z.string()),
  version: nullable(z.string()),
  file: z.string(),
  unreadable: z.int(),
});

const wholeRun = run.extend({
  summary: nullable(z.string()),
  plan: nullable(
    z.strictObject({
      verb: z.string(),
      pointOfNoReturn: nullable(z.int()),
      stages: z.array(
        z.strictObject({
          reason: z.string(),
          commandLine: z.string(),
          steps: z.array(z.strictObject({ node: z.string(), required: z.boolean() })),
        }),
      ),
    }),
  ),
  steps: z.array(
    z.strictObject({
      commandLine: z.string(),
      state: z.enum(["already", "done", "failed", "undone", "skipped", "unfinished"]),
      atMs: z.number(),
      ms: nullable(z.number()),
      detail: nullable(z.string()),
      output: nullable(z.string()),
    }),
  ),
});

export const reportSchema = z.strictObject({
  format: z.literal(1),
  command: z.string(),
  cluster: nullable(z.string()),
  outcome: z.enum(outcomes),
  exitCode: z.int(),
  summary: z.string(),
  hint: nullable(z.string()),
  findings: z.array(finding),
  topology: topology.optional(),
  comparison: comparison.optional(),
  slots: z.array(keptSlot).optional(),
  plan: plan.optional(),
  steps: z.array(step).optional(),
  timings: z.record(z.string(), z.number()).optional(),
  next: z.array(z.string()),
  runs: z.array(run).optional(),
  run: wholeRun.optional(),
  text: z.array(z.string()).optional(),
});

/** Every object of the contract by the name of its table in docs/json.md. */
export const contract = {
  report: reportSchema,
  finding,
  topology,
  node,
  slot,
  slots: keptSlot,
  comparison,
  plan,
  guarantee,
  step,
  run: wholeRun,
} as const;
