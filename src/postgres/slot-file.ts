// A logical slot as files: its state (pg_replslot/NAME/state), the snapshots from which decoding goes on (pg_logical/snapshots), and
// where rows of rewritten catalogues went (pg_logical/mappings). The state alone will not do: a server that decodes from it without
// the snapshots passes in silence over transactions that began while another ran (13 to 15), and one without a logical slot
// keeps neither. Read on a primary, by functions that are a superuser's unless they are granted; written by the host.
// Source: ReplicationSlotOnDisk in src/backend/replication/slot.c, SnapBuildOnDisk in snapbuild.c; little-endian machines only.

import { crc32c } from "../wal/crc32c.ts";
import { formatLsn, lsn, type Lsn, parseLsn } from "../wal/lsn.ts";
import { lsnOf, numberOf } from "./observed-row.ts";
import type { Session } from "./session.ts";
import { QueryError } from "./session.ts";

export interface SlotState {
  readonly bytes: Uint8Array;
  readonly slotName: string;
  readonly catalogXmin: number;
  readonly restartLsn: Lsn;
  readonly confirmedFlushLsn: Lsn;
}

/** A file below pg_logical. */
export interface DecodingFile {
  readonly folder: "snapshots" | "mappings";
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface SlotFileSet {
  readonly states: readonly SlotState[];
  readonly decoding: readonly DecodingFile[];
}

const stateMagic = 0x0105_1ca1;
const snapshotMagic = 0x51a1_e001;
/** Magic number and checksum, which is of all that follows. */
const unsummed = 8;
/** Those two, version and length. */
const header = 16;
const at = { persistency: 84, catalogXmin: 92, restart: 96, invalidated: 104, confirmed: 112 };

/** What the bytes of a state file say; throws where they are not whole, or not those of a logical slot in good health. */
export function readSlotState(bytes: Uint8Array, slotName: string): SlotState {
  const broken = (why: string): Error => new Error(`the state file of slot ${slotName} ${why}`);
  if (bytes.length < at.confirmed + 8) throw broken("is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== stateMagic) throw broken("has another magic number");
  if (view.getUint32(12, true) !== bytes.length - header) throw broken("has another length");
  if (view.getUint32(4, true) !== crc32c(bytes.subarray(unsummed))) {
    throw broken("has another checksum");
  }
  const [name] = new TextDecoder().decode(bytes.subarray(header, header + 64)).split("\0");
  if (name !== slotName) throw broken(`is that of ${name ?? "nobody"}`);
  const isLost = view.getBigUint64(at.invalidated, true) !== 0n;
  if (view.getUint32(at.persistency, true) !== 0 || isLost) throw broken("is not to be kept");
  const restart = view.getBigUint64(at.restart, true);
  const confirmed = view.getBigUint64(at.confirmed, true);
  const catalogXmin = view.getUint32(at.catalogXmin, true);
  if (restart === 0n || confirmed < restart || catalogXmin === 0) throw broken("is not consistent");
  return {
    bytes,
    slotName,
    catalogXmin,
    restartLsn: lsn(restart),
    confirmedFlushLsn: lsn(confirmed),
  };
}

async function readBinary(session: Session, file: string): Promise<Uint8Array | null> {
  const sql = "SELECT encode(pg_read_binary_file($1::text, 0, 100000000, true), 'base64') AS bytes";
  const [row] = await session.query(sql, [file]);
  const text = row?.["bytes"] ?? null;
  return text === null ? null : new Uint8Array(Buffer.from(text, "base64"));
}

/** The slots' files on this server, with what decoding needs from where they begin. Reads again where a slot went on meanwhile. */
export async function readSlotFiles(
  session: Session,
  slotNames: readonly string[],
): Promise<SlotFileSet> {
  try {
    for (let tries = 0; tries < 5; tries += 1) {
      const states: SlotState[] = [];
      for (const name of slotNames) {
        const bytes = await readBinary(session, `pg_replslot/${name}/state`);
        if (bytes === null) throw new Error(`slot ${name} has no state file`);
        states.push(readSlotState(bytes, name));
      }
      const decoding = await readDecodingFiles(session, states);
      if (decoding !== null) return { states, decoding };
    }
  } catch (error) {
    if (!(error instanceof QueryError) || error.sqlstate !== "42501") throw error;
    throw new Error(
      "this role may not read the slots' files: it lacks EXECUTE on pg_read_binary_file or pg_ls_dir (`remaster role --print`)",
    );
  }
  throw new Error("the slots' snapshots are removed as they are read");
}

/** Null where one was removed while they were read. */
async function readDecodingFiles(
  session: Session,
  states: readonly SlotState[],
): Promise<readonly DecodingFile[] | null> {
  const from = states.reduce<Lsn | null>(
    (least, { restartLsn }) => (least === null || restartLsn < least ? restartLsn : least),
    null,
  );
  const files: DecodingFile[] = [];
  for (const folder of ["snapshots", "mappings"] as const) {
    for (const name of await listFiles(session, folder)) {
      const place = placeOf(name, folder);
      if (place === null || from === null || place < from) continue;
      const bytes = await readBinary(session, `pg_logical/${folder}/${name}`);
      if (bytes === null) return null;
      if (folder === "snapshots" && !isWholeSnapshot(bytes)) {
        throw new Error(`snapshot ${name} is not whole`);
      }
      files.push({ folder, name, bytes });
    }
  }
  return files;
}

async function listFiles(
  session: Session,
  folder: DecodingFile["folder"],
): Promise<readonly string[]> {
  const rows = await session.query("SELECT pg_ls_dir($1, true, false) AS name", [
    `pg_logical/${folder}`,
  ]);
  return rows.map((row) => row["name"] ?? "");
}

export async function listSnapshots(session: Session): Promise<readonly string[]> {
  return listFiles(session, "snapshots");
}

/** The file from which decoding goes on at that place. */
export function snapshotName(place: Lsn): string {
  return `${formatLsn(place).replace("/", "-")}.snap`;
}

const places = {
  snapshots: /^([0-9A-F]{1,8})-([0-9A-F]{1,8})\.snap$/,
  mappings: /^map-[0-9a-f]+-[0-9a-f]+-([0-9A-F]{1,8})_([0-9A-F]{1,8})-[0-9a-f]+-[0-9a-f]+$/,
} as const;

/** Null for a file that is none of these. */
function placeOf(name: string, folder: DecodingFile["folder"]): Lsn | null {
  const [, high, low] = places[folder].exec(name) ?? [];
  return high === undefined || low === undefined ? null : parseLsn(`${high}/${low}`);
}

function isWholeSnapshot(bytes: Uint8Array): boolean {
  if (bytes.length < header) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== snapshotMagic) return false;
  return view.getUint32(4, true) === crc32c(bytes.subarray(unsummed));
}

/** What a standby must have to load slots: one that lacks it does not start at all with them. */
export interface SlotRoom {
  readonly walLevel: string;
  readonly free: number;
  readonly replayLsn: Lsn | null;
}

export async function slotRoom(session: Session): Promise<SlotRoom> {
  const [row = {}] = await session.query(
    `SELECT current_setting('wal_level') AS "walLevel", pg_last_wal_replay_lsn()::text AS replayed,
       (current_setting('max_replication_slots')::int
         - (SELECT count(*) FROM pg_replication_slots))::text AS free`,
  );
  return {
    walLevel: row["walLevel"] ?? "",
    free: numberOf(row, "free") ?? 0,
    replayLsn: lsnOf(row, "replayed"),
  };
}
