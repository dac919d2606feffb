// What a switchover looks at before it begins, beside what every promotion asks: whether the candidate is close, who is at work
// on the primary, whether the next one's list of synchronous standbys fits. What becomes of logical slots is slots-kept.ts.

import type { Finding } from "../topology/finding.ts";
import { counted } from "../topology/counted.ts";
import { parseSynchronousStandbyNames } from "../topology/durability.ts";
import type { ReachedNode } from "../topology/node.ts";
import { receiverNameOf } from "../topology/senders.ts";
import { settingText } from "../topology/settings.ts";
import { reachedNodes } from "../topology/structure.ts";
import type { Topology } from "../topology/topology.ts";
import type { WriterSurvey } from "../topology/writers.ts";
import { ageText } from "./age.ts";
import { mayCheckpoint } from "./checks.ts";
import { problem } from "./request.ts";

/** What an operator takes upon himself. */
export interface Accepted {
  /** Consumers of logical slots lose their place. */
  readonly slotLoss: boolean;
  /** Writes are held up for as long as the candidate needs to catch up. */
  readonly longPause: boolean;
}

/** Who hands over, to whom. */
export interface Hands {
  readonly old: ReachedNode;
  readonly next: ReachedNode;
}

/** What the candidate replays in some tenths of a second, bytes. */
const close = 16n * 1024n * 1024n;

/** Writes wait until the candidate has replayed everything. */
export function checkClose({ old, next }: Hands, { longPause }: Accepted): Finding[] {
  if (longPause || old.received === null || next.replayed === null) return [];
  const behind = old.received.lsn - next.replayed.lsn;
  if (behind <= close) return [];
  return [
    problem("candidate-behind", next.name, {
      message: `${next.name} has yet to replay ${(behind / 1048576n).toString()} MB of what ${old.name} has written: writes would wait for it`,
      hint: "wait until it has caught up, or --accept-long-pause",
    }),
  ];
}

/** A shutdown writes what is dirty before it writes its last record. A promotion writes it behind its back (13 to 18). */
export function tellOfCheckpoints({ old, next }: Hands): Finding[] {
  const names = [old, next].filter((node) => !mayCheckpoint(node)).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      code: "missing-right",
      severity: "warning",
      message: `this role may not write a checkpoint on ${names.join(", ")} beforehand: writes wait for what a shutdown has to write`,
      hint: "GRANT pg_checkpoint TO the role of remaster, or CHECKPOINT there as a superuser right before",
    },
  ];
}

/** Milliseconds from which on a transaction is worth a word. */
const long = 1_000;

/** A shutdown and a fence break them off. */
export function tellOfSessions({ node, sessions }: WriterSurvey): Finding[] {
  const busy = sessions
    .filter(({ transactionAgeMs }) => (transactionAgeMs ?? 0) >= long)
    .toSorted((a, b) => (b.transactionAgeMs ?? 0) - (a.transactionAgeMs ?? 0));
  const [oldest] = busy;
  if (oldest === undefined) return [];
  const who = `pid ${oldest.pid} of ${oldest.user ?? "a user unknown"} in ${oldest.database ?? "an unknown database"}`;
  return [
    {
      code: "transactions-broken-off",
      severity: "warning",
      node,
      message: `${counted(busy.length, "transaction")} on ${node} will be broken off, the oldest ${ageText(oldest.transactionAgeMs ?? 0)} old (${who})`,
      hint: "wait for them where they must not be repeated",
    },
  ];
}

/** Names that no node of the cluster bears: whoever is meant will not confirm to the next primary either. */
export function tellOfSynchronousNames(topology: Topology, next: ReachedNode): Finding[] {
  const wanted = parseSynchronousStandbyNames(settingText(next, "synchronous_standby_names") ?? "");
  if (wanted === null || wanted.names.includes("*")) return [];
  const known = new Set(
    reachedNodes(topology).flatMap((node) => [
      node.name.toLowerCase(),
      (receiverNameOf(node) ?? node.name).toLowerCase(),
    ]),
  );
  const strange = wanted.names.filter((name) => !known.has(name.toLowerCase()));
  if (strange.length === 0) return [];
  return [
    {
      code: "synchronous-names-unknown",
      severity: "warning",
      node: next.name,
      message: `synchronous_standby_names of ${next.name} names ${strange.join(", ")}, which no node that was reached bears`,
      hint: `correct it on ${next.name} once it leads`,
    },
  ];
}
