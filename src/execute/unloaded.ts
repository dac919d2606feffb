// Marks that were written and not loaded: left by an operator who was cut short, or by a server that was frozen when it was
// told. In force is nothing of them, until anybody's reload brings them to life.

import { readMarks, readRestoreMark } from "../conninfo/override.ts";
import type { Session } from "../postgres/session.ts";
import { askFileSettings } from "../postgres/settings.ts";

/** Of a node with no mark in force: whether its files bear one. False where this role may not know. */
export async function bearsUnloadedMark(session: Session): Promise<boolean> {
  const files = await askFileSettings(session);
  const conninfo = files?.primaryConninfo ?? "";
  return (
    readMarks(conninfo).base !== conninfo || readRestoreMark(files?.restoreCommand ?? "").quiesced
  );
}
