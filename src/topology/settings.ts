// What a node's settings say, as values. pg_settings gives text in the setting's base unit; a setting that the server's
// major lacks, or that our role may not see, is null here.

import type { Lsn } from "../wal/lsn.ts";
import { defaultSegmentSize, parseSegmentName, parseSegmentSize } from "../wal/segment.ts";
import type { ReachedNode, SettingName } from "./node.ts";

type WithSettings = Pick<ReachedNode, "settings">;

/** A setting's text; null when it is absent, hidden or empty. */
export function settingText(node: WithSettings, name: SettingName): string | null {
  const value = node.settings[name]?.value ?? null;
  return value === "" ? null : value;
}

/** A setting's whole number, in its base unit; null when it is none. */
export function settingInteger(node: WithSettings, name: SettingName): number | null {
  const text = settingText(node, name);
  return text !== null && /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}

/** wal_segment_size in bytes; the default where it is not known. */
export function segmentSizeOf(node: WithSettings): bigint {
  return parseSegmentSize(settingText(node, "wal_segment_size") ?? "") ?? defaultSegmentSize;
}

/** Where the oldest WAL in the node's pg_wal starts; null where that cannot be known. */
export function oldestWalOf(node: WithSettings & Pick<ReachedNode, "walFiles">): Lsn | null {
  if (node.walFiles === null) return null;
  return parseSegmentName(node.walFiles.oldest, segmentSizeOf(node))?.start ?? null;
}

/**
 * Whether `source` still has the WAL that `node` would ask it for: a receiver starts at the beginning of the segment in
 * which what the node has ends, however little of it is replayed. `unknown` without the right to look into pg_wal.
 */
export function stillHasWalFor(source: ReachedNode, node: ReachedNode): "yes" | "no" | "unknown" {
  const oldest = oldestWalOf(source);
  const from = node.received?.lsn ?? node.replayLsn;
  if (oldest === null || from === null) return "unknown";
  return from >= oldest ? "yes" : "no";
}
