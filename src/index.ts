// The public entry of `pg-remaster`: what a program needs to read the command's exit status and its --json, and the
// topology library. The verbs themselves are the command line's.

export { type ExitCode, exitTable, type Outcome, outcomeMeanings } from "./errors.ts";
export type { Decision, Plan, PlannedStep, Stage } from "./plan/plan.ts";
export type { Report, StepResult } from "./plan/report.ts";
export type { Step, StepOf, StepState, StepVerb } from "./plan/step.ts";
export * from "./topology/index.ts";
