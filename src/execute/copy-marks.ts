// Keeps the mark remaster.slots of a standby right: what is made there is told of before it is made, and forgotten after it is
// gone, so that whoever is cut short in between leaves no copy of which nothing tells.

import type { Acted } from "../postgres/outcome.ts";
import { acted } from "../postgres/outcome.ts";
import type { Session } from "../postgres/session.ts";
import { alterMark, notTaken, readMark, reloadAll, resetMark } from "../postgres/settings.ts";
import { dropCopy, readCopies } from "../postgres/standby-slot.ts";
import {
  type CopyMark,
  formatCopyMarks,
  parseCopyMarks,
  withCopyMarks,
} from "../topology/copy-mark.ts";
import { mustFinish } from "./acting.ts";
import type { World } from "./world.ts";

/** Marks these, and forgets those of which there is no slot any more. In force when it returns. */
export async function markCopies(
  node: string,
  newer: readonly CopyMark[],
  world: World,
): Promise<Acted> {
  const session = await world.session(node);
  const there = await readCopies(session);
  const wanted = new Set(newer.map(({ slotName }) => slotName));
  return rewriteMarks(session, world, (marks) =>
    withCopyMarks(marks, newer).filter(
      ({ slotName }) => there.has(slotName) || wanted.has(slotName),
    ),
  );
}

async function rewriteMarks(
  session: Session,
  world: World,
  change: (marks: readonly CopyMark[]) => readonly CopyMark[],
): Promise<Acted> {
  const before = await readMark(session, "remaster.slots");
  const after = formatCopyMarks(change(parseCopyMarks(before)));
  if (after === before) return acted;
  const written =
    after === ""
      ? await resetMark(session, "remaster.slots")
      : await alterMark(session, "remaster.slots", after);
  if (!written.done) return written;
  const patience = { timeoutMs: world.remainingMs(), signal: world.signal };
  return (await reloadAll(session, patience)) ? acted : notTaken;
}

/** Drops copies of ours whose slot was dropped on the primary. */
export async function dropLeftCopies(
  node: string,
  slots: readonly string[],
  world: World,
): Promise<void> {
  if (slots.length === 0) return;
  const session = await world.session(node);
  for (const slot of slots) await dropCopy(session, slot);
  mustFinish(await markCopies(node, [], world));
}
