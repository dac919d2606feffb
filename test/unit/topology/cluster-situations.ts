// Situations of the cluster as a whole, with the findings that they give.

import type { Observation } from "../../../src/topology/node.ts";
import { address, healthy, history, orphaned, reached, setting, unreached } from "./build.ts";
import { pair, type Situation } from "./situation.ts";

export const cluster: readonly Situation[] = [
  {
    what: "nobody answers",
    nodes: [unreached({ name: "n1" })],
    findings: [["node-unreachable", "problem", "n1"]],
  },
  {
    what: "a standby is down",
    nodes: [...healthy().slice(0, 3), unreached({ name: "n4" })],
    findings: [["node-unreachable", "problem", "n4"]],
    says: "nobody listens there (connection refused)",
  },
  {
    what: "a standby is out of our reach and not of its primary's",
    nodes: [
      ...healthy().slice(0, 3),
      unreached({ name: "n4", answer: "none", reason: "timeout" }),
    ].with(2, reached({ name: "n3", from: "n1", to: ["n4"] })),
    findings: [["node-unreachable", "problem", "n4"]],
    says: "yet n3 streams to it",
  },
  {
    what: "the primary is dead",
    nodes: orphaned({ n2: "1@0/5000060", n3: "1@0/5000060" }),
    findings: [
      ["no-primary", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["upstream-unreachable", "problem", "n1"],
    ],
    hint: "remaster failover",
  },
  {
    what: "the file names standbys alone",
    nodes: [reached({ name: "n2", from: "n1" })],
    findings: [
      ["no-primary", "problem"],
      ["upstream-unknown", "warning", "n2"],
    ],
    hint: "add the primary",
  },
  {
    what: "two nodes lead, past a fork",
    nodes: [
      reached({ name: "n1", at: "1@0/6000000" }),
      reached({ name: "n2", at: "2@0/5800000", history: history(2, "1 0/5000000") }),
    ],
    findings: [["several-primaries", "problem"]],
    says: "n2 at 2@0/5800000 and n1 at 1@0/6000000 are out of recovery; they went different ways at 1@0/5000000",
  },
  {
    what: "two nodes lead, one of them fenced",
    nodes: [
      reached({ name: "n1", at: "1@0/6000000", marks: { fenced: true } }),
      reached({ name: "n2", at: "2@0/5800000", history: history(2, "1 0/5000000") }),
    ],
    findings: [
      ["several-primaries", "warning"],
      ["fenced", "warning", "n1"],
    ],
    says: "(fenced)",
    hint: "remaster rejoin n1",
  },
  {
    what: "a standby was promoted, and the others went on with a primary that is gone",
    nodes: [
      unreached({ name: "n1" }),
      reached({ name: "n2", role: "standby", at: "1@0/6000000" }),
      reached({ name: "n3", role: "standby", at: "1@0/6000100" }),
      reached({ name: "n4", at: "2@0/5800000", history: history(2, "1 0/5000000") }),
    ],
    findings: [
      ["timeline-fork", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["diverged", "problem", "n2"],
      ["diverged", "problem", "n3"],
      ["upstream-missing", "problem", "n2"],
      ["upstream-missing", "problem", "n3"],
      ["no-candidate", "warning"],
    ],
    says: "n4 is at 2@0/5800000 and leads, n3 is at 1@0/6000100 (with n2); they went different ways at 1@0/5000000",
    hint: "--accept-timeline 2 or --accept-timeline 1",
  },
  {
    what: "that line was accepted",
    accept: { timeline: 1, start: null },
    nodes: [
      unreached({ name: "n1" }),
      reached({ name: "n2", role: "standby", at: "1@0/6000000" }),
      reached({ name: "n4", at: "2@0/5800000", history: history(2, "1 0/5000000") }),
    ],
    findings: [
      ["no-primary", "problem"],
      ["node-unreachable", "problem", "n1"],
      ["off-accepted-line", "warning", "n4"],
      ["upstream-missing", "warning", "n2"],
    ],
  },
  {
    what: "a node of another cluster",
    nodes: [...healthy(), reached({ name: "n5", from: "n1", systemIdentifier: "42" })],
    findings: [["other-cluster", "problem", "n5"]],
    says: "42",
  },
  {
    what: "a node of another major",
    nodes: [
      ...healthy(),
      reached({ name: "n5", role: "standby", version: 160_014, versionText: "16.14" }),
    ],
    findings: [
      ["other-major", "problem", "n5"],
      ["upstream-missing", "problem", "n5"],
    ],
    says: "16.14, the cluster 17",
  },
  {
    what: "one server under two names",
    nodes: pair({}, {}).flatMap((node) =>
      node.reachable && node.name === "n2"
        ? [withData(node), { ...withData(node), name: "n3", addresses: [address("n2-again")] }]
        : [node],
    ),
    findings: [["same-server", "problem", "n3"]],
    says: "n2 and n3 are one server: /data",
  },
  {
    what: "two promotions took one number",
    nodes: [
      reached({ name: "n1", at: "2@0/6000000", history: history(2, "1 0/5000000") }),
      reached({ name: "n2", at: "2@0/6000000", history: history(2, "1 0/4000000") }),
    ],
    findings: [
      ["several-primaries", "problem"],
      ["timeline-clash", "problem"],
    ],
  },
  {
    what: "commits wait for a standby that does not stream",
    nodes: pair({}, { settings: { synchronous_standby_names: setting("FIRST 1 (n9)") } }),
    findings: [["commits-blocked", "problem", "n1"]],
    says: "demands 1 of n9, and 0 stream",
  },
  {
    what: "commits wait for one more",
    nodes: pair({}, { settings: { synchronous_standby_names: setting("ANY 2 (n2, n9)") } }),
    findings: [["commits-blocked", "problem", "n1"]],
    says: "1 streams (n2)",
  },
  {
    what: "a synchronous standby streams",
    nodes: pair({}, { settings: { synchronous_standby_names: setting("N2") } }),
    findings: [],
  },
  {
    what: "nobody waits by default",
    nodes: pair(
      {},
      {
        settings: {
          synchronous_standby_names: setting("n9"),
          synchronous_commit: setting("local"),
        },
      },
    ),
    findings: [],
  },
  {
    what: "a fence makes commits wait on purpose",
    nodes: pair(
      {},
      { settings: { synchronous_standby_names: setting("nobody") }, marks: { fenced: true } },
    ),
    findings: [["fenced", "problem", "n1"]],
    says: "it refuses writes",
  },
  {
    what: "no standby may lead, by the topology file",
    nodes: pair({ promotable: false }),
    findings: [["no-candidate", "note"]],
    says: "n2: not promotable by the topology file",
  },
  {
    what: "no standby may lead now",
    nodes: pair({ replay: "paused" }),
    findings: [
      ["replay-paused", "warning", "n2"],
      ["no-candidate", "warning"],
    ],
  },
];

function withData(node: Observation): Observation {
  return node.reachable
    ? { ...node, settings: { ...node.settings, data_directory: setting("/data") } }
    : node;
}
