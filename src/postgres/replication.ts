// The replication commands that a look at a node needs: IDENTIFY_SYSTEM and TIMELINE_HISTORY, on a connection opened
// with replication=database. Such a connection takes a WAL sender's place, so whoever opens one closes it at once.
// pg_control_checkpoint() stays at the old timeline after a promotion (13 to 18); IDENTIFY_SYSTEM is right at once.

import { type Lsn, parseLsn } from "../wal/lsn.ts";
import { parseTimelineHistory, type TimelineHistory, type TimelineId } from "../wal/timeline.ts";
import type { Session } from "./session.ts";

export interface SystemIdentity {
  /** Decimal text. */
  readonly systemIdentifier: string;
  readonly timeline: TimelineId;
  /** What the server has flushed (a primary), or what its receiver or its replay has reached (a standby). */
  readonly flushLsn: Lsn;
}

export async function identifySystem(replication: Session): Promise<SystemIdentity> {
  const rows = await replication.query("IDENTIFY_SYSTEM");
  const row = rows[0];
  const flushLsn = parseLsn(row?.["xlogpos"] ?? "");
  const systemIdentifier = row?.["systemid"] ?? null;
  const timeline = Number(row?.["timeline"] ?? Number.NaN);
  if (flushLsn === null || systemIdentifier === null || !Number.isInteger(timeline))
    throw new Error("IDENTIFY_SYSTEM gave no position");
  return { systemIdentifier, timeline, flushLsn };
}

/** The timeline with its ancestors; null where the server has no readable history of it. Timeline 1 is not asked for. */
export async function timelineHistory(
  replication: Session,
  timeline: TimelineId,
): Promise<TimelineHistory | null> {
  if (timeline === 1) return { timeline, ancestors: [] };
  const rows = await replication.query(`TIMELINE_HISTORY ${timeline.toFixed(0)}`);
  const content = rows[0]?.["content"] ?? null;
  return content === null ? null : parseTimelineHistory(timeline, historyText(content));
}

/** The content column is declared text or bytea by major; bytea comes in hexadecimal when it was encoded. */
function historyText(content: string): string {
  if (!content.startsWith("\\x")) return content;
  return Buffer.from(content.slice(2), "hex").toString("utf8");
}
