// Takes the fence off a former primary that is a standby by now. What the fence took away in the catalogues, which the node
// gets from its upstream, is given back there; what it set on the node itself goes, so that it does not come up fenced
// when it leads next.

import { parseFenceMark } from "../topology/fence-mark.ts";
import { type FenceOptions, giveBackSettings, reopen, reopenLacks } from "./fence.ts";
import { textOf } from "./observed-row.ts";
import { type Acted, acted, refuse } from "./outcome.ts";
import type { Patience } from "./poll.ts";
import type { Session } from "./session.ts";
import { notTaken, reloadAll, resetSystem } from "./settings.ts";

const markSql = /* sql */ `
SELECT current_setting('remaster.fenced', true) AS fenced, pg_is_in_recovery()::text AS recovery`;

export async function liftFence(
  { session, upstream }: { readonly session: Session; readonly upstream: Session },
  options: Patience & Pick<FenceOptions, "openIn">,
): Promise<Acted> {
  const [row = {}] = await session.query(markSql);
  const fenced = textOf(row, "fenced") ?? "";
  if (fenced === "") return acted;
  const mark = parseFenceMark(fenced);
  if (mark !== null && (await reopenLacks(upstream, mark)).length > 0) {
    const [above = {}] = await upstream.query(markSql);
    if (textOf(above, "recovery") !== "false") {
      return refuse("step-failed", "what the fence took away is to be given back on the primary");
    }
    const opened = await reopen(upstream, mark, options);
    if (!opened.done) return opened;
  }
  const given = await giveBackSettings(session, mark);
  if (!given.done) return given;
  const cleared = await resetSystem(session, "remaster.fenced");
  if (!cleared.done) return cleared;
  return (await reloadAll(session, options)) ? acted : notTaken;
}
