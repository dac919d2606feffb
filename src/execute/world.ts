// What a performer may use while a plan is carried out: sessions to the nodes, fresh observations, time, and the
// user's own controls. One value per run; the process edge makes it, so nothing here reads clock or environment.

import type { Finding } from "../topology/finding.ts";
import type { ClusterConfig, NodeConfig, Observation } from "../topology/node.ts";
import type { ServerControl } from "../host/control.ts";
import type { Session } from "../postgres/session.ts";

export interface World {
  readonly config: ClusterConfig;
  /** An open session to the node; opened again where the last one was lost. */
  session(node: string): Promise<Session>;
  /** A session to a database of the node's, beside that; closed by whoever asked for it. */
  sessionIn(node: string, database: string): Promise<Session>;
  /** The open admin console of a pooler; opened again where the last one was lost. */
  console(pooler: string): Promise<Session>;
  /** One beside that; closed by whoever asked for it. */
  consoleBeside(pooler: string): Promise<Session>;
  /** All nodes at once, or the named ones. */
  observe(names?: readonly string[]): Promise<readonly Observation[]>;
  /** The nodes that let us in when they were last looked at: asking the others again would only take time. */
  reached(): readonly string[];
  /** The last look at a node; null before the first. */
  lastSeen(node: string): Observation | null;
  /** Null where the topology file gives no control of the node. */
  control(node: NodeConfig): Promise<ServerControl | null>;
  /** Ends when the operator interrupts. */
  readonly signal: AbortSignal;
  now(): number;
  /** What is left of the run's deadline, in milliseconds; never negative. */
  remainingMs(): number;
  /** Waits, for a poll's pause; ends early when the run is interrupted. */
  pause(ms: number): Promise<void>;
  /** Something learned on the way that the report should say. */
  note(finding: Finding): void;
  /** The length of a part of the run that is no stage, milliseconds. */
  measured(name: string, ms: number): void;
  /** This run has the node's server end: that our session there ends is no sign of anybody else. */
  ends(node: string): void;
}

/** The configured node. Plans are made from the same file, so a missing one is a bug. */
export function nodeConfig(world: World, name: string): NodeConfig {
  const found = world.config.nodes.find((node) => node.name === name);
  if (found === undefined) throw new Error(`no node ${name} in the plan's topology file`);
  return found;
}

/** Whether the node lets us in, after a connection to it was lost. */
export async function answers(node: string, world: World): Promise<boolean> {
  return world.session(node).then(
    () => true,
    () => false,
  );
}
