// The report as JSON: a promise to programs, told in docs/json.md. Fields are added, never changed or removed.
// LSNs and big numbers are text, absent knowledge is null, durations are milliseconds.

import { exitTable } from "../errors.ts";
import type { Report } from "../plan/report.ts";

export function reportJson(report: Report): Readonly<Record<string, unknown>> {
  return {
    format: 1,
    command: report.command,
    cluster: report.cluster,
    outcome: report.outcome,
    exitCode: exitTable[report.outcome],
    summary: report.summary,
    hint: report.hint ?? null,
    findings: report.findings,
    ...report.extra,
  };
}
