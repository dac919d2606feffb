// What poolers add to the plans of others: clients are held back right before the writes end, and led to the new primary as
// soon as it leads. A pooler that is found paused was left so by a run that died: its clients go on first.

import type { Finding } from "../topology/finding.ts";
import type { PoolerState } from "../topology/pooler.ts";
import type { Topology } from "../topology/topology.ts";
import type { Decision, Plan, Stage } from "./plan.ts";
import { checkPrimary } from "./demote.ts";
import { checkReachable } from "./checks.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import type { ResumeStep } from "./step.ts";

export type Poolers = readonly PoolerState[];

function unreachable({ name }: PoolerState, reason: string, severity: Finding["severity"]) {
  const finding: Finding = {
    code: "pooler-unreachable",
    severity,
    node: name,
    message: `the console of pooler ${name} cannot be used: ${reason}`,
    hint: `see [poolers.${name}] of the topology file, and admin_users in pgbouncer.ini`,
  };
  return finding;
}

/** Why none of them can be done without; null where all can be paused. */
function refusePoolers(poolers: Poolers): Decision | null {
  const away = poolers.flatMap((each) =>
    each.reachable ? [] : [unreachable(each, each.reason, "problem")],
  );
  if (away.length > 0) return { kind: "refused", outcome: "unreachable", findings: away };
  return refuseOn(
    poolers.flatMap((each) =>
      !each.reachable || each.against === null
        ? []
        : [
            problem("pooler-not-pausable", each.name, {
              message: `pooler ${each.name} cannot be paused: ${each.against}`,
            }),
          ],
    ),
  );
}

function isPaused(pooler: PoolerState): boolean {
  return pooler.reachable && pooler.paused;
}

/** What `status` says of them. */
export function tellOfPoolers(poolers: Poolers): readonly Finding[] {
  return poolers.flatMap((pooler) => {
    if (!pooler.reachable) return [unreachable(pooler, pooler.reason, "warning")];
    return pooler.paused ? [paused(pooler.name)] : [];
  });
}

function paused(name: string): Finding {
  return problem("pooler-paused", name, {
    message: `pooler ${name} is paused: its clients wait`,
    hint: `run the verb that was interrupted again, or \`remaster resume ${name}\``,
  });
}

function resumed(topology: Topology, poolers: Poolers, where: Pick<ResumeStep, "to" | "from">) {
  return poolers.map(({ name: node }) =>
    planned(topology, { verb: "resume", node, ...where }, { required: false }),
  );
}

const goOn = "let the clients of a pooler go on that was left paused";

/** Stages put before the stage at `index`, or at the end. */
function insert(plan: Plan, index: number, stages: readonly Stage[]): Plan {
  const edge = plan.pointOfNoReturn;
  return {
    ...plan,
    stages: plan.stages.toSpliced(index, 0, ...stages),
    pointOfNoReturn: edge === null || edge < index ? edge : edge + stages.length,
  };
}

function stageOf(plan: Plan, ...verbs: readonly string[]): number {
  return plan.stages.findIndex(({ steps }) => verbs.includes(steps[0]?.step.verb ?? ""));
}

/** The old primary, for the user's command: whoever a demote or a fence is about, else who leads now. */
function fromWhom(topology: Topology, plan: Plan | null): Pick<ResumeStep, "from"> {
  const closing = plan?.stages[stageOf(plan, "demote", "fence")]?.steps[0]?.step.node;
  const [leader] = topology.primaries;
  const from = closing ?? leader;
  return from === undefined ? {} : { from };
}

/** The last of the stages that let writes in behind the promotion: a primary that leads closed is opened first. */
function openAt({ stages }: Plan, promoted: number): number {
  const step = stages[promoted]?.steps[0]?.step;
  if (step?.verb !== "promote" || step.closed !== true) return promoted;
  return Math.max(promoted, openingOf(stages, step.node));
}

/** Where that node is opened for writes; -1 where it is not. */
function openingOf(stages: readonly Stage[], node: string | undefined): number {
  return stages.findIndex(
    ({ steps: [first] }) => first?.step.verb === "unfence" && first.step.node === node,
  );
}

/** Leads them to the new primary as soon as it leads. */
function moved(topology: Topology, plan: Plan, poolers: Poolers): Plan {
  const at = stageOf(plan, "promote");
  const to = plan.stages[at]?.steps[0]?.step.node;
  if (to === undefined) return plan;
  const steps = resumed(topology, poolers, { to, ...fromWhom(topology, plan) });
  const stages = stage(`lead the clients of the poolers to ${to}`, steps);
  return insert(
    plan,
    openAt(plan, at) + 1,
    stages.map((each) => ({ ...each, always: true })),
  );
}

/** Nothing is left to do but for poolers that a run left paused behind its promotion. */
function leftPaused(verb: string, topology: Topology, poolers: Poolers): Decision | null {
  const [to, second] = topology.primaries;
  const where = to === undefined || second !== undefined ? {} : { to };
  const steps = resumed(topology, poolers.filter(isPaused), where);
  if (steps.length === 0) return null;
  return decidePlan(verb, topology, { stages: stage(goOn, steps) });
}

/** A switchover holds their clients back: it does not begin where it cannot. */
export function withPoolers(decision: Decision, topology: Topology, poolers: Poolers): Decision {
  if (poolers.length === 0) return decision;
  if (decision.kind === "refused") return withPaused(decision, poolers);
  const refusal = refusePoolers(poolers);
  if (refusal !== null) return refusal;
  if (decision.kind === "already") return leftPaused("switchover", topology, poolers) ?? decision;
  const closing = stageOf(decision.plan, "demote", "fence");
  if (closing === -1) {
    // The primary is closed already, so who waits is let go once another one leads.
    const plan = moved(topology, decision.plan, poolers);
    if (stageOf(plan, "promote") !== -1) return { kind: "plan", plan };
    const made = plan.stages[stageOf(plan, "make-slots")]?.steps[0]?.step.node;
    const to = made ?? topology.primaries[0];
    const steps = resumed(topology, poolers.filter(isPaused), to === undefined ? {} : { to });
    const at = made === undefined ? 0 : openingOf(plan.stages, made) + 1;
    return { kind: "plan", plan: insert(plan, at, stage(goOn, steps)) };
  }
  const pauses = poolers.map(({ name: node }) =>
    planned(topology, { verb: "pause", node }, { required: true }),
  );
  const held = insert(
    moved(topology, decision.plan, poolers),
    closing,
    stage("have the poolers hold their clients back", pauses),
  );
  const waiting = resumed(topology, poolers.filter(isPaused), {});
  return { kind: "plan", plan: insert(held, 0, stage(goOn, waiting)) };
}

function withPaused(decision: Extract<Decision, { kind: "refused" }>, poolers: Poolers): Decision {
  const waiting = poolers.filter(isPaused).map(({ name }) => paused(name));
  return { ...decision, findings: [...decision.findings, ...waiting] };
}

/** A failover has nobody to hold back any more; whom it cannot lead elsewhere it tells of. */
export function withMovedPoolers(
  decision: Decision,
  topology: Topology,
  poolers: Poolers,
): Decision {
  if (poolers.length === 0) return decision;
  const usable = poolers.filter((each) => each.reachable && each.against === null);
  switch (decision.kind) {
    case "refused":
      return withPaused(decision, poolers);
    case "already":
      return leftPaused("failover", topology, usable) ?? decision;
    case "plan": {
      const away = poolers.flatMap((each) => {
        if (!each.reachable) return [unreachable(each, each.reason, "warning")];
        return each.against === null ? [] : [unreachable(each, each.against, "warning")];
      });
      const plan = moved(topology, decision.plan, usable);
      return { kind: "plan", plan: { ...plan, findings: [...plan.findings, ...away] } };
    }
  }
}

/** An undo ends with nobody waiting. */
export function withResumes(decision: Decision, topology: Topology, poolers: Poolers): Decision {
  const waiting = poolers.filter(isPaused);
  if (waiting.length === 0) return decision;
  const steps = resumed(topology, waiting, {});
  switch (decision.kind) {
    case "refused":
      return withPaused(decision, poolers);
    case "already": {
      const { findings } = decision;
      return decidePlan("undo", topology, { stages: stage(goOn, steps), findings });
    }
    case "plan": {
      const { plan } = decision;
      return { kind: "plan", plan: insert(plan, plan.stages.length, stage(goOn, steps)) };
    }
  }
}

function poolerNamed(poolers: Poolers, name: string): PoolerState {
  const found = poolers.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no pooler ${name} was looked at`);
  return found;
}

export function planPause(
  topology: Topology,
  request: { readonly pooler: string; readonly poolers: Poolers },
): Decision {
  const pooler = poolerNamed(request.poolers, request.pooler);
  const refusal = refusePoolers([pooler]);
  if (refusal !== null) return refusal;
  const step = { verb: "pause", node: pooler.name } as const;
  return decidePlan("pause", topology, {
    stages: stage(`have ${pooler.name} hold its clients back`, [
      planned(topology, step, { required: true }),
    ]),
  });
}

export function planResume(
  topology: Topology,
  request: Pick<ResumeStep, "to" | "from"> & {
    readonly pooler: string;
    readonly poolers: Poolers;
  },
): Decision {
  const { to, from } = request;
  const pooler = poolerNamed(request.poolers, request.pooler);
  const refusal = refusePoolers([pooler]) ?? refuseTarget(topology, to);
  if (refusal !== null) return refusal;
  if (to === undefined && !isPaused(pooler)) return { kind: "already", findings: [] };
  const step = {
    verb: "resume",
    node: pooler.name,
    ...(to === undefined ? {} : { to }),
    ...(from === undefined ? {} : { from }),
  } as const;
  const where = to === undefined ? "go on" : `go on at ${to}`;
  return decidePlan("resume", topology, {
    stages: stage(`let the clients of ${pooler.name} ${where}`, [
      planned(topology, step, { required: true }),
    ]),
    noReturn: "resume",
  });
}

/** Nobody is led to where no writes are taken. */
function refuseTarget(topology: Topology, to: string | undefined): Decision | null {
  if (to === undefined) return null;
  const node = observationOf(topology, to);
  return refuseOn(node.reachable ? checkPrimary(node) : checkReachable(node));
}

/** Of a resume that failed. */
export function tellOfUnresumed({ node, to }: ResumeStep, why: string): Finding {
  const again = `remaster resume ${node}${to === undefined ? "" : ` --to ${to}`}`;
  return problem("pooler-not-resumed", node, {
    message: `pooler ${node}: ${why}`,
    hint: `mend that, then \`${again}\``,
  });
}
