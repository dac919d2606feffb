// Whether a node still has the WAL that another one lacks: by the names of its segment files, and whether a slot of its
// own holds them there. A look, no promise: WAL that no slot holds may be removed at the next restartpoint.

import { type Lsn, lsn as lsnOfNumber } from "../wal/lsn.ts";
import { parseSegmentName, parseSegmentSize, segmentStart } from "../wal/segment.ts";
import type { TimelineId } from "../wal/timeline.ts";
import { lsnOf } from "./observed-row.ts";
import type { Session } from "./session.ts";

export interface WalCover {
  /** Null where the role may not list pg_wal. */
  readonly covered: boolean | null;
  /** First byte of the oldest file that can serve; null where there is none. */
  readonly oldest: Lsn | null;
  /** A physical slot on the node holds WAL from there on. */
  readonly held: boolean;
}

export interface WalNeed {
  /** The timeline on which the other node is, and the first byte that it lacks. */
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
}

/**
 * Whether files of these names serve WAL from `need` on. A receiver asks from the start of a segment. The segment in
 * which a timeline ended is served from the next timeline's file, so a later timeline's file of that number will do;
 * an earlier one's will not. Files are removed oldest first, so what follows the first one is there.
 */
export function coversWal(
  files: readonly string[],
  need: WalNeed & { readonly segmentSize: bigint },
): { readonly covered: boolean; readonly oldest: Lsn | null } {
  const wanted = segmentStart(need.lsn, need.segmentSize);
  const able = files
    .map((name) => parseSegmentName(name, need.segmentSize))
    .filter((segment) => segment !== null && segment.timeline >= need.timeline)
    .map((segment) => segment?.start ?? lsnOfNumber(0n));
  const oldest = able.reduce<Lsn | null>(
    (least, start) => (least === null || start < least ? start : least),
    null,
  );
  return { covered: able.includes(wanted), oldest };
}

const holdSql = /* sql */ `
SELECT current_setting('wal_segment_size') AS "segmentSize",
  has_function_privilege('pg_ls_waldir()', 'EXECUTE')::text AS "mayList",
  (SELECT min(restart_lsn)::text FROM pg_replication_slots
   WHERE slot_type = 'physical' AND restart_lsn IS NOT NULL
     AND wal_status IN ('reserved', 'extended')) AS "heldFrom"`;

/** Asks a node whether it still has the WAL from there on. */
export async function walCovers(session: Session, need: WalNeed): Promise<WalCover> {
  const [row] = await session.query(holdSql);
  if (row === undefined) throw new Error("the WAL statement gave no row");
  const heldFrom = lsnOf(row, "heldFrom");
  const held = heldFrom !== null && heldFrom <= need.lsn;
  const segmentSize = parseSegmentSize(row["segmentSize"] ?? "");
  if (segmentSize === null || row["mayList"] !== "true")
    return { covered: null, oldest: null, held };
  const files = await session.query("SELECT name FROM pg_ls_waldir()");
  const names = files.map((file) => file["name"] ?? "");
  return { ...coversWal(names, { ...need, segmentSize }), held };
}
