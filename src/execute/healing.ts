// Clears a torn tail: WAL of the old timeline that reaches into a later segment than the switchpoint. Led to the new
// timeline as it is, the node asks for what comes after its end, which is another record there, goes back to the segment of
// the switchpoint, has no file of the new timeline for it, and PANICs (13 to 18). So its log is cut off at the switchpoint
// while it is stopped. Started, it comes up as it was, with the last whole record as its end, and can be pointed anywhere.
// A node that PANICked already has the beginning of the new timeline's files: they are behind the cut as well.

import type { ServerControl } from "../host/control.ts";
import type { Cut, CutOff } from "../host/wal-folder.ts";
import { quoteWord } from "../plan/command-line.ts";
import type { HealStep, RepointStep } from "../plan/step.ts";
import { dropSlot, ensureSlot } from "../postgres/slots.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { walCovers } from "../postgres/wal-files.ts";
import type { NodeConfig, ReachedNode } from "../topology/node.ts";
import { segmentSizeOf, settingText } from "../topology/settings.ts";
import { reachedNode } from "../topology/structure.ts";
import { buildStructure } from "../topology/topology.ts";
import { isTornFor } from "../topology/torn.ts";
import { formatLsn } from "../wal/lsn.ts";
import { formatSegmentName } from "../wal/segment.ts";
import type { TimelineEntry } from "../wal/timeline.ts";
import { filesToSetAside, goesOn } from "../wal/torn-tail.ts";
import { mustAct } from "./acting.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import { nodeConfig, type World } from "./world.ts";

/** What is known of the node and of the line that it is to join. */
interface Case {
  readonly node: NodeConfig;
  readonly upstream: ReachedNode;
  /** Null: it is down. */
  readonly standby: ReachedNode | null;
  /** Where the upstream's line left others, latest first; of a node that is up, its own timeline alone. */
  readonly ends: readonly TimelineEntry[];
  readonly segmentSize: bigint;
}

/** Null where nothing is torn: the node lets us in and can be led there as it is. */
async function examine(step: HealStep, world: World): Promise<Case | null> {
  const topology = buildStructure(world.config.name, await world.observe([step.node, step.to]));
  const upstream = reachedNode(topology, step.to);
  if (upstream === null) throw new NotDone(`${step.to} cannot be reached`);
  const standby = reachedNode(topology, step.node);
  if (standby !== null && !isTornFor(standby, upstream)) return null;
  const on = (standby?.replayed ?? standby?.received)?.timeline;
  const left = (upstream.history?.ancestors ?? []).toReversed();
  const ends = standby === null ? left : left.filter((entry) => entry.timeline === on);
  // No log is torn on the first timeline; a standby that is down is down for another reason there, and comes up as it is.
  const isFirst = standby === null && upstream.timeline === 1;
  if (ends.length === 0 && !isFirst)
    throw new NotDone(`where ${step.to} left the old timeline is not known`);
  const segmentSize = segmentSizeOf(upstream);
  return { node: nodeConfig(world, step.node), upstream, standby, ends, segmentSize };
}

/** Makes the upstream keep what the node will ask for: a node that is down may name any slot. Nothing of the node is
 * touched. */
async function secureWal({ upstream, standby, node, ends }: Case, world: World): Promise<void> {
  const session = await world.session(upstream.name);
  const [end] = ends;
  const checkThere = async (): Promise<void> => {
    if (end === undefined) return;
    const need = { timeline: upstream.timeline ?? 1, lsn: end.end };
    if ((await walCovers(session, need)).covered !== false) return;
    throw new NotDone(
      `${upstream.name} no longer has the WAL from ${formatLsn(end.end)} on: ${node.name} must be rebuilt`,
    );
  };
  await checkThere();
  if (standby === null) return;
  const slotName = physicalSlotName(node.name, settingText(standby, "primary_slot_name"));
  const slot = await ensureSlot(session, slotName);
  mustAct(slot);
  try {
    await checkThere();
  } catch (error) {
    if (slot.done && slot.made) await dropSlot(session, slotName);
    throw error;
  }
}

/** The file in which the cut lies, and where. */
function cutAt(end: TimelineEntry, segmentSize: bigint): Omit<Cut, "files"> {
  return {
    last: formatSegmentName(end.timeline, end.end, segmentSize),
    offset: Number(end.end % segmentSize),
    segmentSize: Number(segmentSize),
  };
}

/** Cuts the node's log off where the upstream's line left the latest timeline that it has files of. One that is down may be so for
 * another reason: null where its log does not reach that far, or went on from there. */
async function cutTail(found: Case, control: ServerControl): Promise<CutOff | null> {
  const { node, upstream, standby, ends, segmentSize } = found;
  const { wal } = control;
  if (wal === null) throw new Error(`there is no pg_ctl of ${node.name}`);
  const names = await wal.list();
  const end = ends.find((entry) => names.includes(cutAt(entry, segmentSize).last));
  if (standby === null && (end === undefined || goesOn(names, cutAt(end, segmentSize).last))) {
    return null;
  }
  if (end === undefined) {
    throw new Error(`the WAL of ${node.name} does not reach where ${upstream.name} left its line`);
  }
  const files = filesToSetAside(names, { switchpoint: end.end, segmentSize });
  return wal.cut({ ...cutAt(end, segmentSize), files });
}

function noteCut({ node }: Case, off: CutOff, world: World): void {
  world.note({
    code: "torn-tail-repair",
    severity: "note",
    node: node.name,
    message: `the torn end of ${node.name}'s WAL was cut off; the files as they were are in ${off.directory}`,
    hint: "remove them once the node is known to be well",
  });
}

/** The very commands that heal it by hand, in the order to type them on its machine. */
function commandsFor({ node, upstream, standby, ends, segmentSize }: Case): string {
  const data =
    node.control?.pgCtl?.data ??
    (standby === null ? null : settingText(standby, "data_directory")) ??
    "DATA_DIRECTORY";
  const given = (command: string | null | undefined, otherwise: string): string =>
    command ?? `pg_ctl -D ${quoteWord(data)} ${otherwise}`;
  const [end] = ends;
  if (end === undefined) return "";
  const { last, offset } = cutAt(end, segmentSize);
  return [
    given(node.control?.stop, "-m fast stop"),
    `cd ${quoteWord(`${data}/pg_wal`)}`,
    "umask 077",
    "mkdir cut-off",
    `ls | awk 'length($0) == 24 && substr($0, 9) >= "${last.slice(8)}"' | xargs -I FILE mv FILE cut-off/`,
    `head -c ${offset} cut-off/${last} > ${last}`,
    `truncate -s ${segmentSize} ${last}`,
    given(node.control?.start, "start"),
    `remaster repoint ${quoteWord(node.name)} --to ${quoteWord(upstream.name)}`,
  ].join(" && ");
}

function tellCommands(found: Case, world: World): never {
  const { node, upstream, standby } = found;
  const meanwhile = standby === null ? "" : "; until then it is left as it is, and answers queries";
  world.note({
    code: "torn-tail-repair",
    severity: "problem",
    node: node.name,
    message: `${node.name} cannot follow ${upstream.name} before the torn end of its WAL is cut off, on its machine and as the owner of its files${meanwhile}`,
    hint: commandsFor(found),
  });
  throw new Unfinished(`the topology file gives no control.pg_ctl of ${node.name}`);
}

/** For what must be done although the time is up, milliseconds. */
const patienceMs = 10_000;

/** Stops it, cuts, starts it. One that does not come up gets its WAL back, so that it is as it was before. */
async function restartWithout(found: Case, world: World, control: ServerControl): Promise<void> {
  const limit = { timeoutMs: world.remainingMs(), signal: world.signal };
  let off: CutOff | null = null;
  try {
    await control.stop({ ...limit, how: "certain" });
    off = await cutTail(found, control);
    await control.start({ ...limit, timeoutMs: world.remainingMs() });
    if (off !== null) noteCut(found, off, world);
  } catch (error) {
    const left = await putBack(found, off, control);
    throw new Unfinished([words(error), ...left].join("; "), { cause: error });
  }
}

/** As far as it goes; gives what is left to be done by hand. */
async function putBack(
  { node, standby }: Case,
  off: CutOff | null,
  control: ServerControl,
): Promise<readonly string[]> {
  const left: string[] = [];
  try {
    if (off !== null) {
      await control.stop({ timeoutMs: patienceMs, how: "certain" });
      await off.putBack();
    }
  } catch (error) {
    left.push(`what was cut off is still in ${off?.directory ?? "pg_wal"} (${words(error)})`);
  }
  try {
    if (standby !== null) await control.start({ timeoutMs: patienceMs });
  } catch (error) {
    left.push(`${node.name} is down (${words(error)})`);
  }
  return left;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function createHealPerformer(repoint: Performer<RepointStep>): Performer<HealStep> {
  const following = ({ node, to }: HealStep): RepointStep => {
    return { verb: "repoint", node, to, until: "follow" };
  };
  return {
    pollMs: 20,

    async holds(step, world) {
      try {
        return await repoint.holds(following(step), world);
      } catch (error) {
        // Down, which is what a torn end may bring a node to: the act sees to that.
        return { holds: false, why: words(error) };
      }
    },

    async act(step, world) {
      const found = await examine(step, world);
      if (found !== null) {
        await secureWal(found, world);
        const control = await world.control(found.node);
        if (control?.wal == null) return tellCommands(found, world);
        await restartWithout(found, world, control);
      }
      await repoint.act(following(step), world);
    },
  };
}
