// `remaster hook`: run one of the operator's own commands as a step of a plan, with the facts in its environment.

import { UsageError } from "../errors.ts";
import { planHook, withHooks } from "../plan/hooks.ts";
import type { Decision } from "../plan/plan.ts";
import type { Report } from "../plan/report.ts";
import { type HookName, hookNames, type HookOutcome, hookOutcomes } from "../topology/hooks.ts";
import type { Topology } from "../topology/topology.ts";
import { runChange } from "./change.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, optionText, type VerbDefinition } from "./define.ts";
import { checkNodeNames } from "./nodes.ts";

export const hook: VerbDefinition = {
  name: "hook",
  summary: "run one of your own commands, as a switchover does",
  description: [
    "Runs the command that the topology file gives for this hook, in /bin/sh, with what goes on in its environment: see remaster.toml(5). A script of a plan calls it where the composed verb runs the hook by itself; it is of use to try a hook out as well.",
    "The command ends with 0, or else, or when its time is up, the exit status is 7: in a script before_fence stops it so. after_finish is run only once NODE leads and every standby that can be reached follows it. What the command writes goes to the journal, without what looks like a password: `remaster history` shows it.",
  ],
  arguments: [
    {
      name: "hook",
      summary: "which one",
      kind: "text",
      required: true,
      variadic: false,
      choices: hookNames,
    },
  ],
  options: [
    {
      flag: "to",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      required: true,
      summary: "the node that leads, or is to: the command's new primary",
    },
    {
      flag: "from",
      type: "value",
      placeholder: "NODE",
      kind: "node",
      summary: "the node that led before: the command's old primary",
    },
    {
      flag: "for",
      type: "value",
      placeholder: "VERB",
      kind: "text",
      default: "switchover",
      summary: "the verb that the command is told of: switchover or failover",
    },
    {
      flag: "outcome",
      type: "value",
      placeholder: "OUTCOME",
      kind: "text",
      summary: "what on_failure is told: undone or incomplete",
    },
  ],
  examples: [
    {
      command: "remaster hook before_fence --from n1 --to n2",
      explanation: "try it out: may writes stop?",
    },
    {
      command: "remaster hook on_failure --to n2 --outcome undone --yes",
      explanation: "as after a switchover that was taken back",
    },
  ],
  changes: true,
  outcomes: {
    done: "the command ended with 0",
    undone: "it ended otherwise, or not in its time; no server was changed",
  },
  run: runHook,
};

async function configured(context: Context): Promise<ReadonlySet<HookName>> {
  const { hooks = {} } = await context.cluster();
  return new Set(hookNames.filter((name) => hooks[name] !== undefined));
}

/** A decision with the hooks of the topology file in its plan. */
export async function addHooks(
  decision: Decision,
  topology: Topology,
  context: Context,
): Promise<Decision> {
  return withHooks(decision, topology, await configured(context));
}

/** Throws UsageError where the word is none of them. */
function oneOf<W extends string>(words: readonly W[], flag: string, word: string): W {
  const found = words.find((known) => known === word);
  if (found !== undefined) return found;
  throw new UsageError(`--${flag}: '${word}' is none of ${words.join(", ")}`);
}

function outcomeIn(input: Input, name: HookName): HookOutcome | null {
  const text = optionText(input, "outcome");
  if (name !== "on_failure") {
    if (text === null) return null;
    throw new UsageError(`--outcome is for on_failure, not for ${name}`);
  }
  const bad = hookOutcomes.filter((outcome) => outcome !== "done");
  return text === null ? "incomplete" : oneOf(bad, "outcome", text);
}

async function runHook(input: Input, context: Context): Promise<Report> {
  const name = oneOf(hookNames, "hook", argumentValues(input, "hook")[0] ?? "");
  const [node, from] = [optionText(input, "to") ?? "", optionText(input, "from")];
  const of = oneOf(["switchover", "failover"], "for", optionText(input, "for") ?? "");
  const outcome = outcomeIn(input, name);
  await checkNodeNames(context, from === null ? [node] : [node, from]);
  const hooks = await configured(context);
  const change = {
    verb: "hook",
    decide: (topology: Topology) =>
      planHook(topology, { hook: name, node, from, of, outcome }, hooks),
    holds: () => `the hook ${name} was run`,
    question: () => `run the hook ${name}?`,
  };
  return runChange(change, context);
}
