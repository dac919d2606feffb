// A plan as a POSIX shell script of remaster subcommands, held together by the lock of the cluster: running it leaves what
// the composed verb would have left. It asks the verb for its plan once more before the first change, and stops at the first
// required command that fails; what the verb would take back by itself is then said, not done.

import { commandLinesOf, quoteWord, stepCommandLine } from "./command-line.ts";
import type { Plan, Stage } from "./plan.ts";
import type { Step } from "./step.ts";

export interface ScriptOptions {
  /** Words that name the cluster from anywhere: `["--config", "/srv/orders.toml"]`. */
  readonly cluster: readonly string[];
  /** The verb with what was given to it: `["failover", "--to", "n2"]`. */
  readonly verb: readonly string[];
  /** Words for every command: `["--timeout", "60s"]`. */
  readonly shared: readonly string[];
}

export function renderScript(plan: Plan, options: ScriptOptions): string {
  const { cluster, verb, shared } = options;
  const words = quoted(["--yes", ...shared, ...cluster]);
  const back = takesBack(plan) ? command("undo", ...cluster) : null;
  const title = `# the plan of remaster ${plan.verb}, as subcommands`;
  const lines = [
    "#!/bin/sh",
    title,
    ...plan.findings.map((finding) => `# ${comment(`${finding.severity}: ${finding.message}`)}`),
    "set -eu",
    "",
    "# one operator at a time: all of it runs under the lock of the cluster",
    `if [ -z "\${REMASTER_LOCK:-}" ]; then`,
    `  if ! grep -qs '^${title}$' "$0"; then`,
    `    echo "remaster: save this script to a file and run that" >&2`,
    "    exit 2",
    "  fi",
    `  exec ${command("lock", ...cluster)} -- sh "$0"`,
    "fi",
    "",
    `remaster() { command remaster "$@" ${words} </dev/null; }`,
    ...(hasBestEffort(plan) ? bestEffortLines : []),
    "",
    ...stopLines({ forward: command(...verb, ...cluster), back, failed: failureHook(plan) }),
    "",
    "# nothing is changed unless the same plan would still be made",
    `${command(...verb, "--dry-run")} >/dev/null`,
    ...(failureHook(plan) === null ? [] : ["begun=1"]),
    ...plan.stages.flatMap((stage, index) => stageLines(plan, stage, { index, back })),
  ];
  return `${lines.join("\n")}\n`;
}

function quoted(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}

function command(...words: readonly string[]): string {
  return quoted(["remaster", ...words]);
}

const bestEffortLines: readonly string[] = [
  `best_effort() { remaster "$@" || echo "remaster: best effort, did not work: remaster $*" >&2; }`,
];

function hasBestEffort(plan: Plan): boolean {
  return plan.stages.some((stage) => stage.steps.some(({ required }) => !required));
}

/** Before the point of no return there is something that can be taken back. */
function takesBack(plan: Plan): boolean {
  return plan.stages
    .slice(0, plan.pointOfNoReturn ?? plan.stages.length)
    .some((stage) => stage.steps.some(({ undo }) => undo !== null));
}

function failureHook({ onFailure }: Plan): string | null {
  return onFailure === undefined ? null : stepCommandLine({ ...onFailure, outcome: "incomplete" });
}

/** What runs side by side ends before the script does; then it is said what to type next. A signal ends the script once
 * the command that is under way has come to its own safe place. */
function stopLines(next: {
  readonly forward: string;
  readonly back: string | null;
  /** Run where something was begun. */
  readonly failed: string | null;
}): readonly string[] {
  const { forward, back, failed } = next;
  return [
    `# to go on from wherever it stops: ${comment(forward)}`,
    ...(back === null ? [] : [`# to take back: ${comment(back)}`]),
    `forward=${quoteWord(forward)}`,
    `back=${back === null ? "" : quoteWord(back)}`,
    ...(failed === null ? [] : ["begun="]),
    "stopped() {",
    "  status=$?",
    "  wait",
    `  [ "$status" -eq 0 ] || printf '%s\\n' "remaster: the script stopped with status $status" \\`,
    `    "next: $forward" \${back:+"next: $back"} >&2`,
    ...(failed === null ? [] : [`  [ "$status" -eq 0 ] || [ -z "$begun" ] || ${failed} || :`]),
    "}",
    "trap stopped EXIT",
    "trap 'exit 130' INT",
    "trap 'exit 143' TERM",
  ];
}

function stageLines(
  plan: Plan,
  stage: Stage,
  { index, back }: { readonly index: number; readonly back: string | null },
): readonly string[] {
  const required = stage.steps.filter((planned) => planned.required).map(({ step }) => step);
  const bestEffort = stage.steps.filter((planned) => !planned.required).map(({ step }) => step);
  const isEdge = index === plan.pointOfNoReturn;
  return [
    "",
    ...(isEdge ? ["# ---- point of no return: from here on nothing can be taken back ----"] : []),
    `# ${index + 1}. ${comment(stage.reason)}`,
    ...requiredLines(plan, required),
    ...(isEdge && back !== null ? ["back="] : []),
    ...sideBySide(
      bestEffort.map((step) => stepCommandLine(step).replace(/^remaster /, "best_effort ")),
    ),
  ];
}

/** Where a primary was fenced, whoever leads next must hold all that it had. */
function requiredLines(plan: Plan, steps: readonly Step[]): readonly string[] {
  const isFenced = plan.stages.some((stage) =>
    stage.steps.some(({ step }) => step.verb === "fence"),
  );
  const [step] = steps;
  if (isFenced && step?.verb === "fence") return [`position=$(${stepCommandLine(step)} --quiet)`];
  if (isFenced && step?.verb === "promote") {
    return [`${stepCommandLine(step)} --require "$position"`];
  }
  return commandLinesOf(steps);
}

/** A node that fails must not keep the others from their turn, nor the time that it takes. */
function sideBySide(commands: readonly string[]): readonly string[] {
  if (commands.length <= 1) return commands;
  return [...commands.map((each) => `${each} &`), "wait"];
}

/** Text that cannot leave its comment line. */
function comment(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
