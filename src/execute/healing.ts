// Clears a torn tail: WAL of the old timeline that ends exactly on a segment boundary in the middle of a record. The
// node would ask the new primary for what comes after the boundary, which is another record there, or nothing yet.
// Without the segment that holds the switchpoint it asks from that segment's start, and gets the new timeline's (15, 18).

import type { HealStep } from "../plan/step.ts";
import { followState } from "../postgres/follow.ts";
import type { ServerControl } from "../host/control.ts";
import type { NodeConfig } from "../topology/node.ts";
import { reachedNode } from "../topology/structure.ts";
import { buildTopology } from "../topology/topology.ts";
import { defaultSegmentSize, formatSegmentName, parseSegmentSize } from "../wal/segment.ts";
import { NotDone, type Performer } from "./performer.ts";
import { nodeConfig, type World } from "./world.ts";

/** The file that holds the switchpoint on the timeline that the upstream left, and where the node's files are. */
interface TornSegment {
  readonly fileName: string;
  readonly dataDirectory: string | null;
}

async function findTornSegment(step: HealStep, world: World): Promise<TornSegment> {
  const topology = buildTopology(world.config.name, await world.observe([step.node, step.to]));
  const upstream = reachedNode(topology, step.to);
  const left = upstream?.history?.ancestors.at(-1);
  if (upstream === null || left === undefined) {
    throw new NotDone(`where ${step.to} left the old timeline is not known`);
  }
  const size = parseSegmentSize(upstream.settings.wal_segment_size?.value ?? "");
  return {
    fileName: formatSegmentName(left.timeline, left.end, size ?? defaultSegmentSize),
    dataDirectory: reachedNode(topology, step.node)?.settings.data_directory?.value ?? null,
  };
}

/** What to type where no pg_ctl of ours reaches the node's files. */
function commandsFor(node: NodeConfig, segment: TornSegment): string {
  const wal = `${segment.dataDirectory ?? "DATA_DIRECTORY"}/pg_wal/${segment.fileName}`;
  const start = node.control?.start ?? `start ${node.name}`;
  const stop = node.control?.stop ?? `stop ${node.name}`;
  return `on ${node.name}: ${stop}; mv ${wal} ${wal}.torn; ${start}`;
}

async function healNow(
  step: HealStep,
  world: World,
  tools: { readonly control: ServerControl; readonly setAside: (name: string) => Promise<string> },
): Promise<void> {
  const { fileName } = await findTornSegment(step, world);
  const limit = { timeoutMs: world.remainingMs(), signal: world.signal };
  await tools.control.stop({ ...limit, how: "certain" });
  const kept = await tools.setAside(fileName);
  await tools.control.start({ timeoutMs: world.remainingMs() });
  world.note({
    code: "torn-tail-repair",
    severity: "note",
    node: step.node,
    message: `the torn end of ${step.node}'s WAL was moved aside and is kept as ${kept}`,
    hint: "remove it once the node is known to be well",
  });
}

export const healPerformer: Performer<HealStep> = {
  pollMs: 20,

  async holds(step, world) {
    const [standby, upstream] = await Promise.all([
      world.session(step.node),
      world.session(step.to),
    ]);
    return followState(standby, upstream, { slotName: null });
  },

  async act(step, world) {
    const node = nodeConfig(world, step.node);
    const control = await world.control(node);
    const setAside = control?.setWalAside ?? null;
    if (control === null || setAside === null) {
      const segment = await findTornSegment(step, world);
      throw new NotDone(`${step.node} has a torn end of WAL; ${commandsFor(node, segment)}`);
    }
    await healNow(step, world, { control, setAside });
  },
};
