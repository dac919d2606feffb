// The report as JSON: a promise to programs, told in docs/json.md. Fields are added, never changed or removed.
// LSNs and big numbers are text, absent knowledge is null, durations are milliseconds, points in time are ISO 8601.

import { exitTable } from "../errors.ts";
import { stageCommandLine, stepCommandLine } from "../plan/command-line.ts";
import type { Guarantee } from "../plan/guarantee.ts";
import type { RunRecord } from "../plan/history.ts";
import type { Plan, PlannedStep } from "../plan/plan.ts";
import type { Report, StepResult } from "../plan/report.ts";
import type { Ranking } from "../topology/candidates.ts";
import type { Finding } from "../topology/finding.ts";
import type { KeptSlot } from "../topology/kept-slots.ts";
import { formatPosition } from "../wal/position.ts";
import { type JsonObject, lsnText, topologyJson } from "./topology-json.ts";

export function reportJson(report: Report): JsonObject {
  const { topology, comparison, plan, steps, timings } = report;
  return {
    ...report.extra,
    format: 1,
    command: report.command,
    cluster: report.cluster,
    outcome: report.outcome,
    exitCode: report.exitStatus ?? exitTable[report.outcome],
    summary: report.summary,
    hint: report.hint ?? null,
    findings: report.findings.map(findingJson),
    ...(topology === undefined ? {} : { topology: topologyJson(topology) }),
    ...(comparison === undefined ? {} : { comparison: comparisonJson(comparison) }),
    ...(report.slots === undefined ? {} : { slots: report.slots.map(keptSlotJson) }),
    ...(plan === undefined ? {} : { plan: planJson(plan) }),
    ...(steps === undefined ? {} : { steps: steps.map(stepJson) }),
    ...(timings === undefined ? {} : { timings }),
    next: report.next ?? [],
    ...(report.runs === undefined ? {} : { runs: report.runs.map(runJson) }),
    ...(report.run === undefined ? {} : { run: wholeRunJson(report.run) }),
    ...(report.text === undefined ? {} : { text: report.text }),
  };
}

function findingJson(finding: Finding): JsonObject {
  return {
    code: finding.code,
    severity: finding.severity,
    node: finding.node ?? null,
    message: finding.message,
    hint: finding.hint ?? null,
  };
}

function comparisonJson(ranking: Ranking): JsonObject {
  const { ahead, candidate, exchange } = ranking;
  return {
    ahead,
    candidate,
    exchange:
      exchange === null
        ? null
        : { from: exchange.from, to: exchange.to, bytes: exchange.bytes.toString() },
    ranking: ranking.ranking.map((ranked) => ({
      node: ranked.node,
      position: ranked.position === null ? null : formatPosition(ranked.position),
      relation: ranked.relation,
      bytesBehind: ranked.bytesBehind?.toString() ?? null,
      promotable: ranked.promotable,
      eligible: ranked.eligible,
      reasons: ranked.reasons,
    })),
  };
}

function keptSlotJson(kept: KeptSlot): JsonObject {
  const { slot, copy, against } = kept;
  return {
    slotName: slot.slotName,
    plugin: slot.plugin,
    database: slot.database,
    primary: kept.primary,
    node: kept.node,
    method: kept.method,
    ready: against === null,
    reason: against?.reason ?? null,
    remedy: against?.remedy ?? null,
    confirmedFlushLsn: lsnText(slot.confirmedFlushLsn),
    copyConfirmedFlushLsn: lsnText(copy?.confirmedFlushLsn ?? null),
    repeatBytes: kept.repeatBytes?.toString() ?? null,
    aheadBytes: kept.aheadBytes?.toString() ?? null,
  };
}

function planJson(plan: Plan): JsonObject {
  return {
    format: plan.format,
    verb: plan.verb,
    observedAt: new Date(plan.observedAt).toISOString(),
    pointOfNoReturn: plan.pointOfNoReturn,
    stages: plan.stages.map((stage) => ({
      reason: stage.reason,
      commandLine: stageCommandLine(stage),
      steps: stage.steps.map(plannedStepJson),
    })),
    findings: plan.findings.map(findingJson),
    guarantee: plan.guarantee === undefined ? null : guaranteeJson(plan.guarantee),
  };
}

function guaranteeJson(guarantee: Guarantee): JsonObject {
  const { observedAt, distanceBytes } = guarantee;
  return {
    kind: guarantee.kind,
    basis: guarantee.basis,
    primary: guarantee.primary,
    observedAt: observedAt === null ? null : new Date(observedAt).toISOString(),
    distanceBytes: distanceBytes?.toString() ?? null,
    synchronous: guarantee.synchronous,
    unreached: guarantee.unreached,
    confirmers: guarantee.confirmers,
  };
}

function runJson(run: RunRecord): JsonObject {
  const { beganAt, endedAt } = run;
  return {
    id: run.id,
    verb: run.verb,
    cluster: run.cluster,
    outcome: run.outcome,
    beganAt: beganAt === null ? null : new Date(beganAt).toISOString(),
    ms: beganAt === null || endedAt === null ? null : endedAt - beganAt,
    operator: run.operator,
    commandLine: run.commandLine,
    version: run.version,
    file: run.file,
    unreadable: run.unreadable,
  };
}

function wholeRunJson(run: RunRecord): JsonObject {
  const { summary, plan, steps } = run;
  return { ...runJson(run), summary, plan, steps };
}

function plannedStepJson({ step, required, undo }: PlannedStep): JsonObject {
  return {
    verb: step.verb,
    nodes: [step.node],
    commandLine: stepCommandLine(step),
    required,
    undo: undo === null ? null : stepCommandLine(undo),
  };
}

function stepJson({ step, required, state, ms, detail }: StepResult): JsonObject {
  return {
    verb: step.verb,
    nodes: [step.node],
    commandLine: stepCommandLine(step),
    required,
    state,
    ms,
    detail,
  };
}
