// global/pg_control of a data directory, from its bytes: in what state the server was left, where its last checkpoint stands,
// on which timeline it wrote. Little-endian servers only, as in page.ts. Refuses what fails its checksum.
// Source: src/include/catalog/pg_control.h; the offsets read here are the same in 13 to 18, that of the checksum is not.

import { crc32c } from "./crc32c.ts";
import { type Lsn, lsn } from "./lsn.ts";
import type { WalLayout } from "./page.ts";
import type { TimelineId } from "./timeline.ts";

export interface ControlFile {
  /** Decimal text. */
  readonly systemIdentifier: string;
  /** It ended by a shutdown checkpoint, as a primary or as a standby: no WAL has to be replayed to know where it stands. */
  readonly clean: boolean;
  /** It was in recovery, as a standby is, when it was last heard of. */
  readonly standby: boolean;
  /** Where the record of the last checkpoint begins. */
  readonly checkpoint: Lsn;
  /** The timeline on which it wrote or replayed last. */
  readonly timeline: TimelineId;
  /** How far a standby has replayed at least; zero on a primary. */
  readonly replayed: Lsn;
  readonly layout: WalLayout;
  /** Page checksums or wal_log_hints: without either nobody knows which pages were changed (pg_rewind). */
  readonly tracksPages: boolean;
}

/** Where the checksum stands by pg_control_version, which 13 to 16 share. */
const checksumAt: Readonly<Record<number, number>> = { 1300: 288, 1700: 288, 1800: 292 };

/** DBState. */
const state = { shutDown: 1, shutDownInRecovery: 2, inArchiveRecovery: 5 } as const;

/** A text says why the bytes are no control file that is known here. */
export function readControlFile(bytes: Uint8Array): ControlFile | string {
  if (bytes.length < 296) return "pg_control is too short";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  const end = checksumAt[version];
  if (end === undefined) return `pg_control is of an unknown version (${version})`;
  if (crc32c(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    return "pg_control fails its checksum";
  }
  const was = view.getInt32(16, true);
  // Right after a promotion the checkpoint is still on the old timeline, and the end of recovery on the new one.
  const timeline = Math.max(view.getUint32(48, true), view.getUint32(144, true));
  return {
    systemIdentifier: view.getBigUint64(0, true).toString(),
    clean: was === state.shutDown || was === state.shutDownInRecovery,
    standby: was === state.shutDownInRecovery || was === state.inArchiveRecovery,
    checkpoint: lsn(view.getBigUint64(32, true)),
    timeline,
    replayed: lsn(view.getBigUint64(136, true)),
    layout: {
      blockSize: view.getUint32(224, true),
      segmentSize: BigInt(view.getUint32(228, true)),
    },
    tracksPages: view.getUint8(176) === 1 || view.getUint32(252, true) !== 0,
  };
}
