// Who would hold up a primary that shuts down: a fast shutdown waits for every WAL sender (13 to 18). One whose client does
// not answer keeps the process until wal_sender_timeout; with its socket full it keeps the shutdown checkpoint from being
// written as well, and nobody takes writes meanwhile. pg_terminate_backend ends it, with a full socket only the second one:
// the first leaves it writing its last word, past wal_sender_timeout too (15, 18).

import type { Finding } from "../topology/finding.ts";
import type { Answer, ReachedNode, WalSender } from "../topology/node.ts";
import { provenSender, sendersOf } from "../topology/senders.ts";
import { settingInteger } from "../topology/settings.ts";
import { physicalSlotName } from "../topology/slot-name.ts";
import { standbysOf } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import { ageText } from "./age.ts";
import type { Accepted } from "./preflight.ts";
import { problem } from "./request.ts";

/** Twice what passes between two words of an idle receiver (wal_receiver_status_interval), milliseconds. */
const staleMs = 20_000;

/** More than a living receiver leaves unconfirmed for so long, bytes. */
const much = 1024n * 1024n;

interface Silent {
  readonly row: WalSender;
  readonly who: string;
  /** Null where the server would wait for ever. */
  readonly waitMs: number | null;
  /** Seen to be so; else its machine's clock, or our network, may be what is wrong. */
  readonly certain: boolean;
}

/** Refuses where a connection of the primary is seen to be dead at its other end. */
export function checkShutdown(
  topology: Topology,
  old: ReachedNode,
  { longPause }: Accepted,
): Finding[] {
  if (longPause) return [];
  return silentSenders(topology, old)
    .filter(({ certain }) => certain)
    .map((silent) => {
      const { message, hint } = told(old, silent);
      const orElse = "; or --accept-long-pause, with a --timeout that is longer";
      return problem("shutdown-held-up", old.name, { message, hint: `${hint}${orElse}` });
    });
}

/** What is accepted, or not certain, stands in the plan. */
export function tellOfShutdown(
  topology: Topology,
  old: ReachedNode,
  { longPause }: Accepted,
): Finding[] {
  return silentSenders(topology, old)
    .filter(({ certain }) => longPause || !certain)
    .map((silent) => ({
      code: "shutdown-held-up",
      severity: "warning",
      node: old.name,
      ...told(old, silent),
    }));
}

function told(
  { name }: ReachedNode,
  { row, who, waitMs, certain }: Silent,
): { readonly message: string; readonly hint: string } {
  const age = row.replyAgeMs ?? null;
  const word = age === null ? "" : `, last word ${ageText(age)} ago`;
  const long = waitMs === null ? "for ever (wal_sender_timeout = 0)" : `up to ${ageText(waitMs)}`;
  const does = certain ? "does not answer" : "may not answer";
  return {
    message: `${who} ${does}, to which ${name} streams (pid ${row.pid}${word}): a shutdown of ${name} would wait for it ${long}`,
    hint: `where it is dead: SELECT pg_terminate_backend(${row.pid}) on ${name}, and once more if it stays`,
  };
}

function silentSenders(topology: Topology, old: ReachedNode): readonly Silent[] {
  const moving = movingRows(topology, old);
  const rows = [...old.senders, ...(old.consumers ?? [])].filter((row) => !moving.has(row));
  return rows.flatMap((row): Silent[] => {
    const owner = ownerOf(topology, old, row);
    const kind = kindOf(old, row, owner?.answer ?? null);
    if (kind === "alive") return [];
    const who = owner?.name ?? `${row.applicationName} from ${row.clientAddress ?? "here"}`;
    return [{ row, who, waitMs: waitOf(old, row), certain: kind === "dead" }];
  });
}

/** Standbys that let us in are led away before, or are the candidate, whose stream is judged for itself. */
function movingRows(topology: Topology, old: ReachedNode): ReadonlySet<WalSender> {
  const rows = standbysOf(topology).map((node) => provenSender(old, node, topology.nodes));
  return new Set(rows.filter((row) => row !== null));
}

/** A node out of reach is known by the name or slot that it has as a rule. */
function ownerOf(topology: Topology, old: ReachedNode, row: WalSender) {
  for (const node of topology.nodes.values()) {
    if (node.reachable) continue;
    const slots = [node.name, physicalSlotName(node.name, null)];
    if (sendersOf(old, node).includes(row) || slots.includes(row.slotName ?? "")) return node;
  }
  return null;
}

type Kind = "alive" | "dead" | "doubtful";

/** Of a server that takes connections and says nothing no more is to be expected here than there. */
function kindOf(old: ReachedNode, row: WalSender, answer: Answer | null): Kind {
  if (answer === "silent") return "dead";
  if (isStale(old, row)) return isBehind(old, row) ? "dead" : "doubtful";
  return answer === "none" ? "doubtful" : "alive";
}

/** Past wal_sender_timeout the server would have ended it: then a clock is wrong. */
function isStale(old: ReachedNode, { replyAgeMs = null }: WalSender): boolean {
  const limit = timeoutOf(old) ?? Infinity;
  return replyAgeMs !== null && replyAgeMs > staleMs && replyAgeMs <= limit;
}

function isBehind({ currentLsn }: ReachedNode, { writeLsn }: WalSender): boolean {
  return currentLsn !== null && writeLsn !== null && currentLsn - writeLsn > much;
}

/** Null: never. */
function timeoutOf(old: ReachedNode): number | null {
  const set = settingInteger(old, "wal_sender_timeout") ?? 60_000;
  return set === 0 ? null : set;
}

function waitOf(old: ReachedNode, { replyAgeMs = null }: WalSender): number | null {
  const limit = timeoutOf(old);
  return limit === null ? null : Math.max(0, limit - Math.max(0, replyAgeMs ?? 0));
}
