// Points a standby at another upstream, tells whether it follows, and settles the setting once it does.
// "Follows" means: on the upstream's timeline, with a sender there in state `streaming`, and holding at least what the
// upstream had when it was read. A row in pg_stat_replication alone proves nothing: a standby that is past the fork
// stays there in state `startup` for ever. Makes no slot: that comes before (slots.ts).

import type { Address } from "../conninfo/conninfo.ts";
import { formatAddress } from "../conninfo/hosts.ts";
import {
  markExchanging,
  markRepointed,
  readMarks,
  readRestoreMark,
  readSlotMark,
} from "../conninfo/override.ts";
import { type SettleNote, settleConninfo } from "../conninfo/settle.ts";
import { sameAddress } from "../topology/edges.ts";
import type { WalReceiver } from "../topology/node.ts";
import { formatLsn, type Lsn } from "../wal/lsn.ts";
import type { TimelineId } from "../wal/timeline.ts";
import { flagOf, textOf } from "./observed-row.ts";
import {
  type Acted,
  acted,
  type Held,
  holds,
  never,
  notYet,
  type Refused,
  refuse,
} from "./outcome.ts";
import { type Patience, pollFor } from "./poll.ts";
import { observePosition, type PositionLook } from "./position.ts";
import { readWritePosition } from "./promote.ts";
import { giveBackRestoreCommand, heldUpReason, isHeldUp } from "./quiesce.ts";
import type { Session } from "./session.ts";
import {
  type Change,
  changeSettings,
  conninfoHidden,
  reload,
  resetSystem,
  restoreSystem,
  settingObstacles,
  takeBackSettings,
  writeSettings,
} from "./settings.ts";
import type { SlotEnsured } from "./slots.ts";

/** What a standby named before it was pointed elsewhere: enough to take that back. Holds secrets: never shown. */
export interface Pointing {
  /** primary_conninfo without marks. */
  readonly primaryConninfo: string;
  readonly primarySlotName: string;
}

/** What the standby named before the mark that it bears; what it names, without one. */
export function pointingUnder({ primaryConninfo, primarySlotName }: PositionLook): Pointing {
  const conninfo = primaryConninfo ?? "";
  return {
    primaryConninfo: readMarks(conninfo).base,
    primarySlotName: readSlotMark(conninfo).named ? "" : (primarySlotName ?? ""),
  };
}

export type Pointed = { readonly done: true; readonly before: Pointing } | Refused;

export interface Target {
  readonly upstream: Address;
  readonly slotName: string | null;
  /** The upstream has no such slot: made when the mark that tells of it is written, and before that is in force. */
  readonly makeSlot?: SlotMaker | undefined;
  /** For as long as the standby lacks what that node has; to follow it for good, when absent. */
  readonly purpose?: "follow" | "exchange";
  /** What was seen of the standby a moment ago; looked at anew when absent. */
  readonly look?: PositionLook;
  /** `checked`: nothing stands against changing its settings. */
  readonly settings?: "checked";
}

export interface SlotMaker {
  readonly on: string;
  make(): Promise<SlotEnsured>;
  /** Whether the standby still lets anybody in. */
  answers(): Promise<boolean>;
}

/** Leads the standby to another upstream and slot; the old conninfo stays in place under the mark. */
export async function pointAt(session: Session, target: Target): Promise<Pointed> {
  const look = target.look ?? (await observePosition(session));
  if (look.primaryConninfo === null) return conninfoHidden;
  const from = { conninfo: look.primaryConninfo, slotName: look.primarySlotName ?? "" };
  const slotName = target.slotName ?? "";
  const mark = target.purpose === "exchange" ? markExchanging : markRepointed;
  const marked = mark(from.conninfo, target.upstream, {
    named: from.slotName === "" && slotName !== "",
    made: target.makeSlot !== undefined,
    on: target.makeSlot?.on ?? null,
  });
  if (!marked.ok) return refuse("setting-out-of-reach", marked.message);
  const before = pointingUnder(look);
  // The mark comes first: whoever is cut short in between leaves one that tells of the slot name, and not the other way.
  const wanted: readonly Change[] = [
    { name: "primary_conninfo", from: from.conninfo, to: marked.value },
    { name: "primary_slot_name", from: from.slotName, to: slotName },
  ];
  const changes = wanted.filter(({ from, to }) => from !== to);
  const names = target.settings === "checked" ? [] : changes.map(({ name }) => name);
  const [refusal] = names.length === 0 ? [] : await settingObstacles(session, names);
  if (refusal !== undefined) return { done: false, refusal };
  const written = await writeSettings(session, changes).catch(async (error: unknown) => {
    // Whether it was written is not known. If it was, the standby will ask for the slot; one that is gone will not, and for a
    // mark that it comes back with the next run makes it. No mark would tell of a slot made in vain.
    if ((await target.makeSlot?.answers()) === true) await target.makeSlot?.make();
    throw error;
  });
  if (!written.done) return written;
  const slot = await target.makeSlot?.make();
  if (slot?.done === false) return takeBackSettings(session, changes, slot);
  // Somebody else has made it meanwhile: the mark must not tell of it as ours.
  if (slot?.made === false) return pointAt(session, { ...target, look, makeSlot: undefined });
  await reload(session);
  return { done: true, before };
}

/** Whether the standby was led elsewhere and the setting is settled: no mark tells of it any more. */
export function isSettledElsewhere(look: PositionLook, before: Pointing): boolean {
  const conninfo = look.primaryConninfo ?? "";
  const { base, repointing } = readMarks(conninfo);
  if (repointing !== null || readSlotMark(conninfo).named) return false;
  return base !== before.primaryConninfo || (look.primarySlotName ?? "") !== before.primarySlotName;
}

/** Takes a repoint back, the slot name that came with it as well: a slot that the old upstream lacks would keep the standby
 * from streaming at all. The mark tells without the memory of who made it; of one that is settled only that memory does. */
export async function unpoint(
  session: Session,
  before: Pointing | null,
  seen?: PositionLook,
): Promise<Acted> {
  const look = seen ?? (await observePosition(session));
  const marks = readMarks(look.primaryConninfo ?? "");
  const { named } = readSlotMark(look.primaryConninfo ?? "");
  const settled = before !== null && isSettledElsewhere(look, before);
  if (marks.repointing === null && !named && !settled) return acted;
  const slotName = before?.primarySlotName ?? (named ? "" : (look.primarySlotName ?? ""));
  if (slotName !== look.primarySlotName) {
    const slotSet =
      slotName === ""
        ? await resetSystem(session, "primary_slot_name")
        : await restoreSystem(session, "primary_slot_name", slotName);
    if (!slotSet.done) return slotSet;
  }
  const restored = await restoreSystem(
    session,
    "primary_conninfo",
    before?.primaryConninfo ?? marks.base,
  );
  if (!restored.done) return restored;
  await reload(session);
  return acted;
}

export interface Expectation {
  /** The slot that the standby was told to use: names its sender exactly. Null: whatever its receiver says. */
  readonly slotName: string | null;
  /** Where the standby was led: its receiver must be connected there. Unchecked when absent. */
  readonly address?: Address;
  /** A position of the upstream read earlier; read now when absent. Under steady writes the earlier one can be reached. */
  readonly atLeast?: Lsn;
}

/** What an upstream had at one moment. */
export interface UpstreamPosition {
  readonly lsn: Lsn;
  /** Null where it cannot be known (a standby without a receiver, seen over SQL alone). */
  readonly timeline: TimelineId | null;
}

export async function readUpstream(upstream: Session): Promise<UpstreamPosition | null> {
  const look = await observePosition(upstream);
  if (look.has === null) return null;
  const written = look.role === "primary" ? await readWritePosition(upstream) : null;
  return {
    lsn: look.has,
    timeline: written?.timeline ?? look.receiver?.receivedTimeline ?? null,
  };
}

/** Whether the standby follows the upstream, or the reason why not. */
export async function followState(
  standby: Session,
  upstream: Session,
  expectation: Expectation,
): Promise<Held> {
  const above = await readUpstream(upstream);
  if (above === null) return notYet("the upstream has no position yet");
  const look = await observePosition(standby);
  if (look.role === "primary") return never("the node is a primary");
  const { receiver } = look;
  if (receiver?.status !== "streaming") return notReceiving(look);
  if (above.timeline !== null && receiver.receivedTimeline !== above.timeline) {
    return notYet(
      `it receives timeline ${receiver.receivedTimeline ?? "?"}, the upstream is on ${above.timeline}`,
    );
  }
  const elsewhere = connectedElsewhere(receiver, expectation.address);
  if (elsewhere !== null) return notYet(elsewhere);
  const slotName = expectation.slotName ?? receiver.slotName;
  const sender = await readSender(upstream, { slotName, applicationName: look.applicationName });
  if (sender !== null) return notYet(sender);
  const wanted = expectation.atLeast ?? above.lsn;
  if (look.has === null || look.has < wanted) {
    return notYet(
      `it has ${look.has === null ? "nothing" : formatLsn(look.has)} of ${formatLsn(wanted)}`,
    );
  }
  return holds(`streams timeline ${receiver.receivedTimeline ?? "?"}, has ${formatLsn(look.has)}`);
}

/** Until the standby has taken its new setting, its old receiver streams on. */
function connectedElsewhere(receiver: WalReceiver, address: Address | undefined): string | null {
  const { senderHost, senderPort } = receiver;
  if (address === undefined || senderHost === null || senderPort === null) return null;
  const from = { host: senderHost, hostaddr: null, port: senderPort };
  return sameAddress(from, address) ? null : `it receives from ${formatAddress(from)}`;
}

function notReceiving(look: PositionLook): Held {
  const state =
    look.receiver === null ? "it has no receiver" : `its receiver is ${look.receiver.status}`;
  if (isHeldUp(look)) return never(`set; it follows once it has replayed (${heldUpReason(look)})`);
  return notYet(state);
}

const senderSql = /* sql */ `
SELECT r.state, (s.slot_name IS NOT NULL)::text AS "usesSlot"
FROM pg_stat_replication r
LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
WHERE CASE WHEN $1::text IS NULL THEN r.application_name = COALESCE($2, r.application_name) ELSE s.slot_name = $1 END
ORDER BY r.state = 'streaming' DESC
LIMIT 1`;

/** Null when the upstream has a streaming sender for the standby, else what it has instead. */
async function readSender(
  upstream: Session,
  standby: { readonly slotName: string | null; readonly applicationName: string | null },
): Promise<string | null> {
  const [row] = await upstream.query(senderSql, [standby.slotName, standby.applicationName]);
  if (row === undefined) return "the upstream has no sender for it";
  const state = textOf(row, "state");
  if (state === "streaming" || (state === null && flagOf(row, "usesSlot") === true)) return null;
  return `its sender on the upstream is in state ${state ?? "unknown"}`;
}

export type Settlement = { readonly done: true; readonly notes: readonly SettleNote[] } | Refused;

/** Makes the new upstream the setting itself, and gives a quiesced restore_command back. The receiver starts anew for
 * it, so whether the standby follows is to be seen again afterwards: the receiver of before has ended by then. */
export async function settle(
  session: Session,
  upstream: Address,
  patience: Patience,
): Promise<Settlement> {
  const look = await observePosition(session);
  const from = look.primaryConninfo;
  if (from === null) return conninfoHidden;
  const settled = settleConninfo(from, upstream);
  if (!settled.ok) return refuse("setting-out-of-reach", settled.message);
  if (from !== settled.value) {
    const change = { name: "primary_conninfo", from, to: settled.value } as const;
    const changed = await changeSettings(session, [change], patience);
    if (!changed.done) return changed;
    if (look.receiver !== null) await untilReceiverEnds(session, look.receiver.pid, patience);
  }
  const given = await giveBackRestoreCommand(session, patience);
  if (!given.done) return given;
  return { done: true, notes: settled.notes };
}

/** It streams on from the same address until the startup process has taken the new setting, which one that is held up does
 * not do. The one after it may find its slot still in use, and then waits a whole wal_retrieve_retry_interval. */
export async function untilReceiverEnds(
  session: Session,
  pid: number,
  patience: Patience,
): Promise<void> {
  const isOver = async (): Promise<true | null> => {
    const look = await observePosition(session);
    return look.receiver?.pid !== pid || isHeldUp(look) ? true : null;
  };
  await pollFor(isOver, { ...patience, everyMs: 2 });
}

/** Whether a primary_conninfo names this upstream, as settled: without a mark. */
export function namesAlone(primaryConninfo: string, upstream: Address): boolean {
  const settled = settleConninfo(primaryConninfo, upstream);
  return settled.ok && settled.value === primaryConninfo;
}

/** Whether primary_conninfo names this upstream, and no mark is left. */
export async function settleHolds(session: Session, upstream: Address): Promise<Held> {
  const look = await observePosition(session);
  if (readRestoreMark(look.restoreCommand ?? "").quiesced) {
    return notYet("restore_command bears the quiesce mark");
  }
  return namesAlone(look.primaryConninfo ?? "", upstream)
    ? holds()
    : notYet(`primary_conninfo does not name ${formatAddress(upstream)} alone`);
}
