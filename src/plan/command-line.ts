// Each step is a subcommand: the very command line that does a step, a stage, or, as a POSIX shell script, a whole plan.
// What a dry run shows and what a script types come from here, so they cannot differ from each other.

import { formatPosition } from "../wal/position.ts";
import type { Plan, PlannedStep, Stage } from "./plan.ts";
import type { Step } from "./step.ts";

/** `remaster repoint n3 --to n2`. */
export function stepCommandLine(step: Step): string {
  return commandLine(step, [step.node]);
}

/** One command line for all nodes of a stage where the verb takes several; else one per step, joined by `; `. */
export function stageCommandLine(stage: Stage): string {
  return stageCommandLines(stage.steps.map((planned) => planned.step)).join("; ");
}

/** A word as a POSIX shell reads it back. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export interface ScriptOptions {
  /** Words that name the cluster on every command line: `["--config", "/srv/orders.toml"]`. */
  readonly cluster?: readonly string[];
}

/** The plan as a POSIX shell script of remaster subcommands; running it does what the composed verb does. */
export function renderScript(plan: Plan, options: ScriptOptions = {}): string {
  const words = ["--yes", ...(options.cluster ?? [])].map(quoteWord).join(" ");
  const lines = [
    "#!/bin/sh",
    `# ${comment(`the plan of remaster ${plan.verb}, as subcommands`)}`,
    ...plan.findings.map((finding) => `# ${comment(`${finding.severity}: ${finding.message}`)}`),
    "set -eu",
    "",
    `remaster() { command remaster "$@" ${words}; }`,
    ...takeBackLines(plan),
    ...plan.stages.flatMap((stage, index) => stageLines(plan, stage, index)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Steps that differ in their node alone share a command line, where the verb takes several. */
function stageCommandLines(steps: readonly Step[]): readonly string[] {
  const groups = new Map<string, { readonly step: Step; readonly nodes: string[] }>();
  for (const step of steps) {
    const key = takesSeveralNodes(step) ? commandLine(step, []) : stepCommandLine(step);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { step, nodes: [step.node] });
    else group.nodes.push(step.node);
  }
  return [...groups.values()].map(({ step, nodes }) => commandLine(step, nodes));
}

function takesSeveralNodes(step: Step): boolean {
  switch (step.verb) {
    case "quiesce":
    case "unquiesce":
    case "repoint":
    case "stop":
      return true;
    case "exchange":
    case "promote":
    case "heal":
    case "drop-slot":
      return false;
  }
}

function commandLine(step: Step, nodes: readonly string[]): string {
  const names = step.verb === "exchange" ? [] : nodes;
  return ["remaster", step.verb, ...names, ...stepOptions(step)].map(quoteWord).join(" ");
}

function stepOptions(step: Step): readonly string[] {
  switch (step.verb) {
    case "quiesce":
      return step.cancelQueries ? ["--cancel-queries"] : [];
    case "exchange":
      return ["--to", step.node, ...(step.from === null ? [] : ["--from", step.from])];
    case "promote":
      return [
        ...(step.require === null ? [] : ["--require", formatPosition(step.require)]),
        ...(step.acceptDataLoss === true ? ["--accept-data-loss"] : []),
      ];
    case "repoint":
      return ["--to", step.to, ...(step.until === "set" ? ["--no-wait"] : [])];
    case "heal":
      return ["--to", step.to];
    case "drop-slot":
      return ["--slot", step.slot];
    case "unquiesce":
    case "stop":
      return [];
  }
}

/** Stages before the point of no return whose steps can be taken back. */
function undoableStages(
  plan: Plan,
): readonly { readonly index: number; readonly undo: readonly Step[] }[] {
  return plan.stages
    .slice(0, plan.pointOfNoReturn ?? plan.stages.length)
    .flatMap((stage, index) => {
      const undo = stage.steps.flatMap((planned) => (planned.undo === null ? [] : [planned.undo]));
      return undo.length === 0 ? [] : [{ index, undo }];
    });
}

/** A function that undoes backwards whatever was begun, run when the script ends early. */
function takeBackLines(plan: Plan): readonly string[] {
  const stages = undoableStages(plan);
  if (stages.length === 0) return [];
  const edge = plan.pointOfNoReturn;
  return [
    "",
    "# when a command fails: take back what was begun, newest first, for as long as that can be done",
    "begun=0",
    "take_back() {",
    "  status=$?",
    ...(edge === null ? [] : edgeGuard(edge)),
    ...stages
      .toReversed()
      .flatMap(({ index, undo }) =>
        undo.map(
          (step) => `  [ "$begun" -lt ${String(index + 1)} ] || ${stepCommandLine(step)} || true`,
        ),
      ),
    '  exit "$status"',
    "}",
    "trap take_back EXIT",
  ];
}

/** At the point of no return itself only the statuses that say "nothing was changed" may lead back. */
function edgeGuard(edge: number): readonly string[] {
  return [`  [ "$begun" -lt ${String(edge + 1)} ] || [ "$status" -le 7 ] || exit "$status"`];
}

function stageLines(plan: Plan, stage: Stage, index: number): readonly string[] {
  const undoable = undoableStages(plan);
  const required = stage.steps.filter((planned) => planned.required).map((planned) => planned.step);
  const bestEffort = stage.steps.filter((planned) => !planned.required);
  const isEdge = index === plan.pointOfNoReturn;
  const isLastToUndo = index === (plan.pointOfNoReturn ?? plan.stages.length - 1);
  const marked = undoable.length > 0 && (isEdge || undoable.some((each) => each.index === index));
  return [
    "",
    ...(isEdge ? ["# the point of no return: once this is done nothing is taken back"] : []),
    `# ${comment(stage.reason)}`,
    ...(marked ? [`begun=${String(index + 1)}`] : []),
    ...stageCommandLines(required),
    ...bestEffort.map(bestEffortLine),
    ...(undoable.length > 0 && isLastToUndo ? ["trap - EXIT"] : []),
  ];
}

function bestEffortLine({ step }: PlannedStep): string {
  const said = quoteWord(`best effort, did not work: ${stepCommandLine(step)}`);
  return `${stepCommandLine(step)} || echo ${said} >&2`;
}

/** Text that cannot leave its comment line. */
function comment(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
