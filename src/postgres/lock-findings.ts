// What there is to say about the lock of a cluster: who holds it, why it cannot be taken, how it was lost.

import type { Finding } from "../topology/finding.ts";
import { describeHolder, type Holder, lockDatabase } from "./lock.ts";

function waitHint(holder: Holder): string {
  const within =
    holder.owner?.verb === "lock"
      ? "; what belongs to it needs its REMASTER_LOCK in the environment"
      : "";
  return `wait until that run has ended, or end it with --take-over, which stops it where it stands${within}`;
}

/** One finding for each run, with the nodes on which it holds the lock. */
export function lockedFindings(holders: ReadonlyMap<string, Holder>): readonly Finding[] {
  const runs = new Map<string, { readonly holder: Holder; readonly nodes: string[] }>();
  for (const [node, holder] of holders) {
    const run = holder.owner?.mark ?? `${node} ${holder.pid}`;
    const seen = runs.get(run);
    if (seen === undefined) runs.set(run, { holder, nodes: [node] });
    else seen.nodes.push(node);
  }
  return [...runs.values()].map(({ holder, nodes }) => ({
    code: "locked" as const,
    severity: "problem" as const,
    ...(nodes.length === 1 && nodes[0] !== undefined ? { node: nodes[0] } : {}),
    message: `${describeHolder(holder)} holds the lock on ${nodes.join(", ")}`,
    hint: waitHint(holder),
  }));
}

export function unavailableFinding(node: string, reason: string): Finding {
  return {
    code: "lock-unavailable",
    severity: "problem",
    node,
    message: `the lock of ${node} cannot be taken: ${reason}`,
    hint: `the role needs to connect to the database "${lockDatabase}" of every node (CONNECT, pg_hba.conf, passfile), where the lock is`,
  };
}

export function poolerFinding(node: string): Finding {
  return {
    code: "through-pooler",
    severity: "problem",
    node,
    message: `a connection pooler answers in the place of ${node}`,
    hint: `give the server's own host and port in the topology file; a lock taken through a pooler means nothing`,
  };
}

/** May not end the holder's session. */
export function mayNotEndFinding(node: string, holder: Holder | null, reason: string): Finding {
  const whose = holder?.role == null ? "" : ` of role ${holder.role}`;
  return {
    code: "missing-right",
    severity: "problem",
    node,
    message: `the session${whose} that holds the lock on ${node} may not be ended: ${reason}`,
    hint: "grant pg_signal_backend to our role, or take over as the role that holds the lock; a superuser's session takes a superuser",
  };
}

export function lostFinding(node: string | null, why: string): Finding {
  return {
    code: "lock-lost",
    severity: "problem",
    ...(node === null ? {} : { node }),
    message: why,
    hint: "another operator may be at work: see `remaster status` before anything else",
  };
}
