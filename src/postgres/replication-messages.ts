// The messages that travel within a replication stream (COPY BOTH): the log and keepalives from the server, word of how far
// we are from us. All numbers are big-endian. Source: protocol-replication.html; the same in 13 to 18.

import { type Lsn, lsn } from "../wal/lsn.ts";

export type ReplicationMessage =
  /** A piece of the log, the first byte of it at `at`. */
  | { readonly kind: "wal"; readonly at: Lsn; readonly bytes: Uint8Array }
  /** `end`: how far the server has sent. */
  | { readonly kind: "keepalive"; readonly end: Lsn; readonly replyWanted: boolean };

const walHeader = 1 + 8 + 8 + 8;
const keepaliveLength = 1 + 8 + 8 + 1;
const [walKind, keepaliveKind, statusKind, feedbackKind] = [0x77, 0x6b, 0x72, 0x68];

/** Null for a message of a kind that is not known, or cut short. */
export function readReplicationMessage(message: Uint8Array): ReplicationMessage | null {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message[0] === walKind && message.length >= walHeader) {
    return { kind: "wal", at: lsn(view.getBigUint64(1)), bytes: message.subarray(walHeader) };
  }
  if (message[0] !== keepaliveKind || message.length < keepaliveLength) return null;
  return {
    kind: "keepalive",
    end: lsn(view.getBigUint64(1)),
    replyWanted: view.getUint8(keepaliveLength - 1) === 1,
  };
}

/** Word that everything up to there has come: a server that shuts down waits for it. Not that it is flushed: nothing of it is kept here,
 * and one who says so counts as a synchronous standby (13 to 18). */
export function formatStatusUpdate(at: Lsn): Uint8Array {
  const message = new Uint8Array(1 + 8 + 8 + 8 + 8 + 1);
  const view = new DataView(message.buffer);
  view.setUint8(0, statusKind);
  view.setBigUint64(1, at);
  // Our clock is of no interest to anybody, and no reply is wanted.
  return message;
}

/** The same, with a reply wanted. */
export function formatStatusRequest(at: Lsn): Uint8Array {
  const message = formatStatusUpdate(at);
  message[message.length - 1] = 1;
  return message;
}

/** A standby's word that it needs catalogue rows from that transaction on, all 64 bits of it: its slot holds them then. A server passes
 * over one that is not within 2^31 transactions of its next (13 to 18). */
export function formatCatalogFeedback(catalogXmin: bigint): Uint8Array {
  const message = new Uint8Array(1 + 8 + 4 + 4 + 4 + 4);
  const view = new DataView(message.buffer);
  view.setUint8(0, feedbackKind);
  // No word of our clock, nor of rows that are not the catalogue's.
  view.setUint32(17, Number(catalogXmin & 0xffff_ffffn));
  view.setUint32(21, Number(catalogXmin >> 32n));
  return message;
}
