// Situations of what feeds a standby, with the findings that they give.

import {
  address,
  at,
  history,
  orphaned,
  reached,
  receiver,
  sender,
  setting,
  unreached,
} from "./build.ts";
import { pair, type Situation } from "./situation.ts";

const onTwo = { at: "2@0/6000000", history: history(2, "1 0/5000000") };

/** A row of a standby: it tells what it replayed. */
const standbyRow = (to: string, changes: Parameters<typeof sender>[1] = {}) =>
  sender(to, { replayLsn: at("0/5000060"), ...changes });

export const upstreams: readonly Situation[] = [
  {
    what: "a standby that the file does not have",
    nodes: [
      reached({
        name: "n1",
        senders: [standbyRow("n2"), standbyRow("n9", { clientAddress: "10.0.0.9" })],
      }),
      reached({ name: "n2", from: "n1" }),
    ],
    findings: [["unknown-follower", "warning", "n1"]],
    says: "n1 streams to 1 standby that the topology file does not have: n9 from 10.0.0.9",
  },
  {
    what: "one more of a name than there are nodes that bear it",
    nodes: [
      reached({ name: "n1", senders: [1, 2, 3].map(() => standbyRow("walreceiver")) }),
      ...["n2", "n3"].map((name) =>
        reached({
          name,
          from: "n1",
          settings: { primary_conninfo: setting("host=n1"), cluster_name: setting("") },
        }),
      ),
    ],
    findings: [["unknown-follower", "warning", "n1"]],
    says: "n1 streams to 1 standby that the topology file does not have: walreceiver from",
  },
  {
    what: "archivers, base backups' streams, and a slot that names its node",
    nodes: [
      reached({
        name: "n1",
        senders: [
          sender("pg_receivewal", { slotName: "archive" }),
          sender("pg_basebackup"),
          standbyRow("another name", { slotName: "remaster_n2" }),
        ],
      }),
      reached({ name: "n2", from: "n1" }),
    ],
    findings: [],
  },
  {
    what: "a row that may be a node's which does not let us in",
    nodes: [
      reached({ name: "n1", senders: [standbyRow("n2"), standbyRow("standby")] }),
      reached({ name: "n2", from: "n1" }),
      unreached({ name: "n3", answer: "none" }),
    ],
    findings: [["node-unreachable", "problem", "n3"]],
  },
  {
    what: "a row that is no node's, and a node where nobody listens",
    nodes: [
      reached({ name: "n1", senders: [standbyRow("n2"), standbyRow("standby")] }),
      reached({ name: "n2", from: "n1" }),
      unreached({ name: "n3" }),
    ],
    findings: [
      ["node-unreachable", "problem", "n3"],
      ["unknown-follower", "warning", "n1"],
    ],
  },
  {
    what: "a follower of a standby is as unknown",
    nodes: pair({ senders: [standbyRow("n9")] }),
    findings: [["unknown-follower", "warning", "n2"]],
  },
  {
    what: "a standby past the fork, its sender in startup for ever",
    nodes: pair(
      { at: "1@0/5800000", receiver: receiver("n1", { status: "waiting" }) },
      { ...onTwo, senders: [sender("n2", { state: "startup" })] },
    ),
    findings: [
      ["diverged", "problem", "n2"],
      ["no-candidate", "warning"],
    ],
    says: "n2 replayed up to 1@0/5800000, which is not in the history of n1 after 1@0/5000000",
  },
  {
    what: "a standby that received past the fork, replayed to it, and follows all the same",
    nodes: pair({ at: "1@0/5000060", replayedTo: "1@0/4FFFF00" }, onTwo),
    findings: [],
  },
  {
    what: "a standby that follows one of two primaries is not diverged",
    nodes: [
      reached({ name: "n1", at: "1@0/6000000", to: ["n3"] }),
      reached({ name: "n2", ...onTwo }),
      reached({ name: "n3", from: "n1", at: "1@0/5900000" }),
    ],
    findings: [["several-primaries", "problem"]],
  },
  {
    what: "standbys that diverged from each other, no primary",
    nodes: [
      reached({ name: "n2", role: "standby", at: "1@0/5800000" }),
      reached({ name: "n3", role: "standby", ...onTwo }),
    ],
    findings: [
      ["timeline-fork", "problem"],
      ["no-primary", "problem"],
      ["diverged", "problem", "n2"],
      ["upstream-missing", "warning", "n2"],
      ["upstream-missing", "warning", "n3"],
      ["no-candidate", "warning"],
    ],
  },
  {
    what: "a receiver that streams and a sender that never leaves startup",
    nodes: pair({}, { senders: [sender("n2", { state: "startup" })] }),
    findings: [["standby-not-following", "problem", "n2"]],
    says: "its receiver is in streaming, the sender in startup",
    hint: "remaster repoint n2 --to n1",
  },
  {
    what: "no receiver though the upstream lives, receive equal to replay",
    nodes: pair({ receiver: null }, { to: [] }),
    findings: [["standby-not-following", "problem", "n2"]],
    says: "it runs no receiver",
  },
  {
    what: "a receiver in a loop",
    nodes: pair({ receiver: receiver("n1", { status: "starting" }) }, { to: [] }),
    findings: [["standby-not-following", "problem", "n2"]],
    says: "its receiver is in starting, no sender there",
  },
  {
    what: "an unknown upstream that sends nothing",
    nodes: [reached({ name: "n1" }), reached({ name: "n2", from: "elsewhere", receiver: null })],
    findings: [
      ["standby-not-following", "problem", "n2"],
      ["upstream-unknown", "warning", "n2"],
    ],
    says: "elsewhere:5432",
  },
  {
    what: "a receiver that has heard nothing for long",
    nodes: pair({ receiver: receiver("n1", { lastMessageAgeMs: 61_000 }) }),
    findings: [["receiver-silent", "warning", "n2"]],
    says: "61 s",
  },
  {
    what: "a receiver of an idle cluster",
    nodes: pair({ receiver: receiver("n1", { lastMessageAgeMs: 31_000 }) }),
    findings: [],
  },
  {
    what: "a tail torn at a segment's end",
    nodes: [
      unreached({ name: "n1" }),
      reached({
        name: "n2",
        role: "standby",
        at: "1@0/6000000",
        replayedTo: "1@0/5FFFF40",
        configuredUpstream: address("n1"),
        startupWait: "Timeout/RecoveryRetrieveRetryInterval",
      }),
    ],
    findings: [
      ["no-primary", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["upstream-unreachable", "problem", "n1"],
      ["torn-tail", "warning", "n2"],
    ],
  },
  {
    what: "a tail that is torn for the new primary",
    nodes: [
      reached({ name: "n1", at: "2@0/7000000", history: history(2, "1 0/5FFFF60") }),
      reached({
        name: "n2",
        role: "standby",
        at: "1@0/6000000",
        replayedTo: "1@0/5FFFF60",
      }),
    ],
    findings: [
      ["torn-tail", "problem", "n2"],
      ["upstream-missing", "problem", "n2"],
    ],
    hint: "remaster heal n2 --to n1",
  },
  {
    what: "WAL that is being replayed, into a later segment",
    nodes: [
      unreached({ name: "n1" }),
      reached({
        name: "n2",
        role: "standby",
        at: "1@0/6000000",
        replayedTo: "1@0/5000000",
        configuredUpstream: address("n1"),
      }),
    ],
    findings: [
      ["no-primary", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["upstream-unreachable", "problem", "n1"],
    ],
  },
  {
    what: "an unreplayed end within a segment",
    nodes: orphaned({ n2: "1@0/6000100" }).map((node) =>
      node.reachable ? { ...node, replayLsn: at("0/6000000") } : node,
    ),
    findings: [
      ["no-primary", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["upstream-unreachable", "problem", "n1"],
    ],
  },
  {
    what: "a cascade below a dead standby",
    nodes: [
      reached({ name: "n1", to: [] }),
      unreached({ name: "n2" }),
      reached({ name: "n3", from: "n2", receiver: null }),
      reached({ name: "n4", from: "n2", receiver: null }),
    ],
    findings: [
      ["node-unreachable", "problem", "n2"],
      ["upstream-unreachable", "problem", "n2"],
    ],
  },
  {
    what: "a ring of standbys",
    nodes: [
      reached({ name: "n1" }),
      reached({ name: "n2", from: "n3", to: ["n3"] }),
      reached({ name: "n3", from: "n2", to: ["n2"] }),
    ],
    findings: [["upstream-cycle", "problem"]],
    says: "n2 <- n3 <- n2",
    hint: "remaster repoint n2 --to n1",
  },
  {
    what: "a standby without any upstream",
    nodes: pair(
      { receiver: null, configuredUpstream: null, settings: { primary_conninfo: setting("") } },
      { to: [] },
    ),
    findings: [["upstream-missing", "problem", "n2"]],
    says: "has no upstream",
  },
  {
    what: "a standby whose upstream only a service file knows, and no receiver",
    nodes: pair(
      {
        receiver: null,
        configuredUpstream: null,
        settings: { primary_conninfo: setting("service=main"), restore_command: setting("cp") },
      },
      { to: [] },
    ),
    findings: [["upstream-missing", "problem", "n2"]],
    says: "though it has a primary_conninfo",
  },
  {
    what: "a standby of the archive",
    nodes: pair(
      {
        receiver: null,
        configuredUpstream: null,
        settings: { primary_conninfo: setting(""), restore_command: setting("cp %f %p") },
      },
      { to: [] },
    ),
    findings: [["upstream-missing", "note", "n2"]],
    says: "lives off the archive",
  },
  {
    what: "a standby whose upstream our role may not read",
    nodes: pair(
      { receiver: null, configuredUpstream: null, settings: { primary_conninfo: setting(null) } },
      { to: [] },
    ),
    findings: [["upstream-missing", "note", "n2"]],
    says: "may not read",
  },
];
