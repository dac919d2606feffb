// Decides fence and unfence: hold writes off the primary, and let them back. What would keep the fence from closing is
// refused beforehand, by name: a session that our role may not end, an override that it may not change.

import type { Finding } from "../topology/finding.ts";
import type { ReachedNode } from "../topology/node.ts";
import type { Topology } from "../topology/topology.ts";
import type { WriterSurvey } from "../topology/writers.ts";
import { checkBelongs, checkReach, checkReachable, checkRights } from "./checks.ts";
import type { Decision } from "./plan.ts";
import { checkPrimary } from "./demote.ts";
import { checkSlotsOf, tellOfUnmade } from "./new-slots.ts";
import { decidePlan, observationOf, planned, problem, refuseOn, stage } from "./request.ts";
import { checkMayTakeWrites } from "./rivals.ts";

export interface FenceRequest {
  readonly node: string;
  readonly spare: readonly string[];
  /** The node that is to have everything; null: nobody is asked. */
  readonly to: string | null;
  /** Logical slots whose consumers are to have confirmed everything. */
  readonly confirmed: readonly string[];
  /** Null where the node was not asked, because it is none to be fenced. */
  readonly survey: WriterSurvey | null;
}

function checkSessions({ node, sessions }: WriterSurvey): Finding[] {
  const out = sessions.filter(({ mayEnd }) => !mayEnd);
  if (out.length === 0) return [];
  const who = out.map(({ pid, user }) => `pid ${pid} (${user ?? "unknown user"})`).join(", ");
  return [
    problem("sessions-remain", node, {
      message: `this role may not end sessions on ${node}: ${who}`,
      hint: "end them, connect as a superuser, or let them stay: --spare NAME",
    }),
  ];
}

/** Only a superuser changes what everybody else has set for himself. */
function checkOverrides({ node, overrides, subscriptions, isSuperuser }: WriterSurvey): Finding[] {
  if (isSuperuser) return [];
  const roles = overrides.map(({ role, database }) =>
    problem("override-out-of-reach", node, {
      message: `${whose(role, database)} has default_transaction_read_only of its own, which this role may not change`,
      hint: "connect as a superuser, or RESET it",
    }),
  );
  const workers = subscriptions.map(({ database, name }) =>
    problem("override-out-of-reach", node, {
      message: `subscription ${name} in database ${database} writes, and this role may not disable it`,
      hint: "connect as a superuser, or ALTER SUBSCRIPTION ... DISABLE",
    }),
  );
  return [...roles, ...workers];
}

function whose(role: string | null, database: string | null): string {
  if (role === null) return `database ${database ?? "?"}`;
  return database === null ? `role ${role}` : `role ${role} in database ${database}`;
}

export function tellOfPrepared({ node, preparedTransactions }: WriterSurvey): Finding[] {
  if (preparedTransactions.length === 0) return [];
  const gids = preparedTransactions.map(({ gid, database }) => `${gid} in ${database}`);
  return [
    {
      code: "prepared-transactions",
      severity: "warning",
      node,
      message: `prepared transactions stand open on ${node}: ${gids.join(", ")}`,
      hint: "COMMIT PREPARED or ROLLBACK PREPARED, on whichever node leads then",
    },
  ];
}

/** What would keep the fence from closing. */
export function checkFence(node: ReachedNode, survey: WriterSurvey): Finding[] {
  return [
    ...checkRights(node, "fence"),
    ...checkReach(node, ["default_transaction_read_only", "synchronous_standby_names"]),
    ...checkSessions(survey),
    ...checkOverrides(survey),
  ];
}

export function planFence(topology: Topology, request: FenceRequest): Decision {
  const node = observationOf(topology, request.node);
  if (!node.reachable) return refuseOn(checkReachable(node)) ?? { kind: "already", findings: [] };
  const { survey } = request;
  const refusal =
    refuseOn([...checkBelongs(topology, node), ...checkPrimary(node)]) ??
    refuseOn([
      ...(survey === null ? [] : checkFence(node, survey)),
      ...checkSlotsOf(node, request.confirmed),
    ]);
  if (refusal !== null) return refusal;
  const step = {
    verb: "fence",
    node: node.name,
    spare: request.spare,
    ...(request.to === null ? {} : { to: request.to }),
    ...(request.confirmed.length === 0 ? {} : { confirmed: request.confirmed }),
  } as const;
  return decidePlan("fence", topology, {
    stages: stage(`hold writes off ${node.name}`, [planned(topology, step, { required: true })]),
    findings: survey === null ? [] : tellOfPrepared(survey),
  });
}

/** What the fence of another node took away in the catalogues comes back on the one that leads. */
function planReopen(topology: Topology, node: ReachedNode, of: string): Decision {
  const refusal = refuseOn([
    ...checkReachable(observationOf(topology, of)),
    ...checkBelongs(topology, node),
    ...checkPrimary(node),
  ]);
  if (refusal !== null) return refusal;
  const step = { verb: "unfence", node: node.name, of } as const;
  return decidePlan("unfence", topology, {
    stages: stage(`give ${node.name} back what the fence of ${of} took away`, [
      planned(topology, step, { required: true }),
    ]),
  });
}

export function planUnfence(
  topology: Topology,
  request: { readonly node: string; readonly of: string | null },
): Decision {
  const node = observationOf(topology, request.node);
  if (!node.reachable) return refuseOn(checkReachable(node)) ?? { kind: "already", findings: [] };
  if (request.of !== null) return planReopen(topology, node, request.of);
  if (!node.marks.fenced) return { kind: "already", findings: [] };
  // A standby takes no writes, whatever is taken off it.
  const leads = node.role === "primary";
  const refusal = refuseOn([
    ...checkBelongs(topology, node),
    ...(leads ? checkMayTakeWrites(topology, node.name) : []),
    ...checkRights(node, "fence"),
  ]);
  if (refusal !== null) return refusal;
  const step = { verb: "unfence", node: node.name } as const;
  return decidePlan("unfence", topology, {
    stages: stage(`let writes back to ${node.name}`, [planned(topology, step, { required: true })]),
    findings: leads ? tellOfUnmade(node) : [],
  });
}
