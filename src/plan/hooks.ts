// Puts the operator's hooks into a plan that is decided: a plan without any is left as it is. before_fence stands before the
// first stage that stops writes, after_promote behind the one from which the new primary takes them, after_finish last.
// A checkpoint is written once more behind before_fence: what became dirty meanwhile would make the shutdown longer.

import type { Finding } from "../topology/finding.ts";
import type { HookName, HookOutcome } from "../topology/hooks.ts";
import { reachedNodes } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { checkReachable, presumedPrimaries } from "./checks.ts";
import type { Decision, Plan, Stage } from "./plan.ts";
import { decidePlan, planned, problem, refuseOn, stage } from "./request.ts";
import type { HookStep, StepVerb } from "./step.ts";

/** Where writes stop; the clients of a pooler wait from its pause on. */
const closing: readonly StepVerb[] = ["pause", "demote", "fence"];

/** Behind the promotion: what lets writes in that it alone does not. */
const opening: readonly StepVerb[] = ["make-slots", "resume", "unfence"];

/** Steps whose node is the primary before. */
const ofOld: readonly StepVerb[] = ["demote", "fence", "rejoin", "stop"];

function verbOf({ steps }: Stage): StepVerb | undefined {
  return steps[0]?.step.verb;
}

function isOf(verbs: readonly StepVerb[]): (stage: Stage) => boolean {
  return (each) => verbs.some((verb) => verb === verbOf(each));
}

/** Where the search finds nothing, behind all. */
function split(
  stages: readonly Stage[],
  at: number,
): readonly [readonly Stage[], readonly Stage[]] {
  const index = at === -1 ? stages.length : at;
  return [stages.slice(0, index), stages.slice(index)];
}

function nodeOf(stages: readonly Stage[], verbs: readonly StepVerb[]): string | null {
  return stages.find(isOf(verbs))?.steps[0]?.step.node ?? null;
}

/** Who leads before and after; null where the plan makes nobody lead and nobody does. */
function partiesOf({ stages }: Plan, topology: Topology): Pick<HookStep, "from" | "node"> | null {
  const node = nodeOf(stages, ["promote"]) ?? topology.primaries[0] ?? null;
  if (node === null) return null;
  const [presumed = null, ...others] = presumedPrimaries(topology);
  const lost = others.length > 0 ? null : presumed;
  return { node, from: nodeOf(stages, ofOld) ?? lost };
}

function again(before: readonly Stage[]): readonly Stage[] {
  const last = before.findLast(isOf(["checkpoint"]));
  if (last === undefined) return [];
  const steps = last.steps.map((each) => ({ ...each, step: { ...each.step } }));
  return stage("write what has become dirty meanwhile", steps);
}

/** The decision with the configured hooks in its plan. */
export function withHooks(
  decision: Decision,
  topology: Topology,
  hooks: ReadonlySet<HookName>,
): Decision {
  if (decision.kind !== "plan") return decision;
  const { plan } = decision;
  const parties = partiesOf(plan, topology);
  if (parties === null) return decision;
  const stepOf = (hook: HookName): HookStep => ({ verb: "hook", hook, ...parties, of: plan.verb });
  const hookStage = (hook: HookName, reason: string): readonly Stage[] => {
    const required = hook === "before_fence";
    return hooks.has(hook) ? stage(reason, [planned(topology, stepOf(hook), { required })]) : [];
  };
  const edge = plan.stages[plan.pointOfNoReturn ?? -1];
  const stages = [
    ...placed(plan.stages, {
      before: hookStage("before_fence", "ask before_fence whether writes may stop"),
      after: hookStage("after_promote", `tell after_promote that ${parties.node} leads`),
    }),
    ...hookStage("after_finish", "tell after_finish that all is done"),
  ];
  const pointOfNoReturn = edge === undefined ? null : stages.indexOf(edge);
  const failed = hooks.has("on_failure") ? { onFailure: stepOf("on_failure") } : {};
  return { kind: "plan", plan: { ...plan, stages, pointOfNoReturn, ...failed } };
}

function placed(
  stages: readonly Stage[],
  hook: { readonly before: readonly Stage[]; readonly after: readonly Stage[] },
): readonly Stage[] {
  const [prepared, rest] = split(stages, stages.findIndex(isOf(closing)));
  const isAsked = rest.length > 0 && hook.before.length > 0;
  const all = isAsked ? [...prepared, ...hook.before, ...again(prepared), ...rest] : stages;
  const led = all.findIndex(isOf(["promote"]));
  if (led === -1) return all;
  const [before, after] = split(
    all,
    all.findIndex((each, index) => index > led && !isOf(opening)(each)),
  );
  return [...before, ...hook.after, ...after];
}

export interface HookRequest {
  readonly hook: HookName;
  readonly node: string;
  readonly from: string | null;
  readonly of: string;
  readonly outcome: HookOutcome | null;
}

/** One hook by itself: a step of a script. */
export function planHook(
  topology: Topology,
  request: HookRequest,
  hooks: ReadonlySet<HookName>,
): Decision {
  const { hook, outcome, ...parties } = request;
  if (!hooks.has(hook)) {
    const missing = problem("no-hook", null, {
      message: `the topology file gives no hook ${hook}`,
      hint: `add ${hook} = "COMMAND" to [hooks]`,
    });
    return { kind: "refused", outcome: "refused", findings: [missing] };
  }
  // The lock of the cluster is held on servers.
  const nobody = reachedNodes(topology).length === 0;
  const silence = nobody ? refuseOn([...topology.nodes.values()].flatMap(checkReachable)) : null;
  if (silence !== null) return silence;
  const step = {
    verb: "hook",
    hook,
    ...parties,
    ...(outcome === null ? {} : { outcome }),
  } as const;
  return decidePlan("hook", topology, {
    stages: stage(`run the hook ${hook}`, [planned(topology, step, { required: true })]),
  });
}

/** What is said of a hook that did not do its part. */
export function tellOfHook(
  { hook, node }: HookStep,
  end: { readonly required: boolean; readonly why: string },
): Finding {
  const hint = "`remaster history` has its output";
  if (end.required && hook === "before_fence") {
    const message = `writes were not stopped, because the hook ${end.why}`;
    return { code: "hook-vetoed", severity: "problem", node, message, hint };
  }
  const severity = end.required ? "problem" : "warning";
  return { code: "hook-failed", severity, node, message: `the hook ${end.why}`, hint };
}
