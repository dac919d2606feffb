// `remaster rehearse`: the demonstration. Real servers, a client, a primary that dies at the worst moment, one failover,
// and a verdict by what the client was told.

import type { Report } from "../plan/report.ts";
import { counted } from "../topology/counted.ts";
import type { Context } from "./context.ts";
import { type Input, optionSet, optionText, type VerbDefinition } from "./define.ts";
import { failover } from "./failover.ts";
import type { Rehearsal, RehearsalEvent } from "./sandbox-api.ts";

export const rehearse: VerbDefinition = {
  name: "rehearse",
  summary: "kill a primary under load, fail over, count the rows",
  description: [
    "Makes a sandbox with a primary and three standbys, of which n4 may never lead. A client writes numbered rows and remembers each acknowledgement. n2 and n3 are cut off, so that n4 alone gets the last rows; then the primary is killed under load, n2 and n3 come back, and `remaster failover` runs.",
    "The verdict: not one acknowledged row is missing that any surviving node had, exactly one node takes writes, and every standby streams its timeline. Rows that died with the primary, because no standby had them yet, are counted apart: asynchronous replication cannot keep those.",
  ],
  arguments: [],
  options: [
    {
      flag: "pg",
      type: "value",
      placeholder: "MAJOR",
      kind: "major",
      summary: "PostgreSQL of this major version",
    },
    {
      flag: "bindir",
      type: "value",
      placeholder: "DIR",
      kind: "directory",
      summary: "directory of PostgreSQL's server programs",
    },
    {
      flag: "dir",
      type: "value",
      placeholder: "DIR",
      kind: "directory",
      summary: "where the servers stand; a new directory for temporary files when not given",
    },
    { flag: "keep", type: "flag", summary: "leave the servers running afterwards" },
  ],
  examples: [
    { command: "remaster rehearse", explanation: "watch it, in half a minute" },
    {
      command: "remaster rehearse --pg 15 --keep",
      explanation: "and look at the servers afterwards",
    },
  ],
  changes: false,
  standalone: true,
  timeout: "2m",
  outcomes: { done: "every check holds", no: "a check does not hold" },
  run: runRehearsal,
};

async function runRehearsal(input: Input, context: Context): Promise<Report> {
  const api = await context.sandbox();
  const major = optionText(input, "pg");
  const rehearsal = await api.rehearse({
    directory: optionText(input, "dir"),
    major: major === null ? null : Number(major),
    bindir: optionText(input, "bindir"),
    keep: optionSet(input, "keep"),
    signal: context.signal,
    failover: (configFile) => context.withConfig(configFile, runFailover),
    tell: (event) => {
      context.say(eventLine(event));
    },
  });
  return reportOf(rehearsal);
}

async function runFailover(context: Context) {
  const report = await failover.run({ arguments: {}, options: {} }, context);
  const reasons = report.findings
    .filter((finding) => finding.severity === "problem")
    .map((finding) => finding.message);
  const summary = [report.summary, ...(report.outcome === "done" ? [] : reasons)].join("; ");
  return { done: report.outcome === "done", summary };
}

const eventLine = (event: RehearsalEvent) =>
  `${(event.atMs / 1000).toFixed(2).padStart(7)} s  ${event.text}`;

/** Whoever counts acknowledged rows wants to know of each what became of it. */
function keptText({ newPrimary, survived, died }: Rehearsal): string {
  const leads = `${newPrimary ?? "nobody"} leads and has`;
  if (died === 0) return `${leads} all ${counted(survived, "row")} acknowledged before n1 died`;
  const all = counted(survived + died, "row");
  return `${leads} ${survived} of the ${all} acknowledged before n1 died, all that any surviving node had`;
}

function reportOf(rehearsal: Rehearsal): Report {
  const { passed, directory, configFile } = rehearsal;
  const failed = rehearsal.checks.filter((check) => !check.holds);
  return {
    command: "rehearse",
    cluster: "sandbox",
    outcome: passed ? "done" : "no",
    findings: [],
    word: passed ? "passed" : "failed",
    summary: passed
      ? `passed: ${keptText(rehearsal)}; writes came back ${rehearsal.writesBackMs ?? 0} ms after the failover began`
      : `failed: ${failed.map((check) => check.detail).join("; ")}`,
    timings: {
      ...(rehearsal.writesBackMs === null ? {} : { writesBack: rehearsal.writesBackMs }),
      longestGap: rehearsal.longestGapMs,
    },
    extra: { rehearsal: { ...rehearsal } },
    ...(configFile === null || directory === null
      ? {}
      : {
          next: [
            `remaster status --config ${configFile}`,
            `remaster sandbox down --dir ${directory}`,
          ],
        }),
  };
}
