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

export const upstreams: readonly Situation[] = [
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
      ["upstream-missing", "warning", "n2"],
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
    nodes: pair({ receiver: null, configuredUpstream: null }, { to: [] }),
    findings: [["upstream-missing", "warning", "n2"]],
  },
  {
    what: "a standby of the archive",
    nodes: pair(
      {
        receiver: null,
        configuredUpstream: null,
        settings: { restore_command: setting("cp %f %p") },
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
