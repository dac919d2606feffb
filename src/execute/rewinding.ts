// Takes a stopped former primary back to the switchpoint with pg_rewind. First a checkpoint on the new primary: before 16
// pg_rewind reads the timeline from its last checkpoint and would say "no rewind required". A copy of the WAL that goes is kept,
// a crashed server's recovery is ended, then comes a dry run, which leaves everything as it is, and then the thing itself.
// pg_rewind brings the source's configuration files: the node's own are put back, whatever came of it.

import type { ServerControl } from "../host/control.ts";
import type { Kept, Rewind } from "../host/rewind.ts";
import type { RejoinStep } from "../plan/step.ts";
import { type WayIn, wayIn } from "../postgres/rewind-source.ts";
import type { Diverged, FormerNode } from "../topology/former.ts";
import { formatPosition } from "../wal/position.ts";
import { parseSegmentName, segmentStart } from "../wal/segment.ts";
import { labelOf } from "./former.ts";
import { NotDone, Unfinished } from "./performer.ts";
import { nodeConfig, type World } from "./world.ts";

export interface RewindWish {
  readonly step: RejoinStep;
  readonly control: ServerControl;
  readonly former: FormerNode & { readonly line: Diverged };
  readonly world: World;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws NotDone as long as the node is what it was, but stopped. */
export async function rewindNode(wish: RewindWish): Promise<void> {
  const { step, control, former, world } = wish;
  const { rewind, wal } = control;
  if (rewind === null || wal === null || former.means.program === null) {
    throw new NotDone(`there is no pg_rewind for ${step.node}: it needs a new base backup`);
  }
  const { lackingRights } = former.means;
  if (lackingRights.length > 0) {
    throw new NotDone(`the role lacks on ${step.to}: ${lackingRights.join("; ")}`);
  }
  const way = await wayIn(nodeConfig(world, step.to).conninfo);
  if (typeof way === "string") throw new NotDone(way);
  const kept = await prepareRewind(wish, { rewind, way, names: await wal.list() });
  if (kept === null) return;
  const source = { ...way, keptIn: kept.directory };
  const failed = await rewind.run(source).then(() => null, words);
  const own = await rewind.putBackConfiguration().then(() => null, words);
  if (failed !== null) {
    throw new Unfinished(
      `${failed}; what is in the data directory of ${step.node} may not be whole: try again, else it needs a new base backup`,
    );
  }
  if (own !== null) {
    throw new Unfinished(`the configuration of ${step.node} is in ${kept.directory} still: ${own}`);
  }
  noteKept(wish, kept);
}

/** Null where pg_rewind says that nothing has to be done. */
async function prepareRewind(
  { step, former, world }: RewindWish,
  means: {
    readonly rewind: Rewind;
    readonly way: WayIn;
    readonly names: readonly string[];
  },
): Promise<Kept | null> {
  const { rewind, way, names } = means;
  try {
    const upstream = await world.session(step.to);
    const limit = { timeoutMs: Math.max(1, world.remainingMs()) };
    await upstream.query("CHECKPOINT", [], limit);
    const from = segmentStart(former.line.switchpoint.lsn, former.segmentSize);
    const files = names.filter((name) => {
      const segment = parseSegmentName(name, former.segmentSize);
      return segment !== null && segment.start >= from && segment.start <= former.line.end.lsn;
    });
    const kept = await rewind.keep({ label: labelOf(former.line), files });
    if (!former.clean)
      await rewind.recover({ timeoutMs: world.remainingMs(), signal: world.signal });
    const source = { ...way, keptIn: kept.directory };
    return (await rewind.tryOut(source, { timeoutMs: world.remainingMs() })) ? kept : null;
  } catch (error) {
    throw new NotDone(
      `${step.node} cannot be taken back by pg_rewind, and was not changed: ${words(error)}; where it lacks WAL, it needs a new base backup`,
      { cause: error },
    );
  }
}

function noteKept({ step, former, world }: RewindWish, { directory, files }: Kept): void {
  const { switchpoint, end } = former.line;
  world.note({
    code: "diverged-wal",
    severity: "note",
    node: step.node,
    message: `${step.node} was taken back from ${formatPosition(end)} to ${formatPosition(switchpoint)}; ${files.length} segments of what it alone had are kept in ${directory}`,
    hint: "pg_waldump reads them; remove them once nobody needs them",
  });
}
