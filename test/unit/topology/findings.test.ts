import { describe, expect, test } from "vitest";
import { type FindingCode, findingCatalogue } from "../../../src/topology/finding.ts";
import type { Observation, UnreachedNode } from "../../../src/topology/node.ts";
import { observedCatalogue } from "../../../src/topology/observed.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { address, healthy, position, reached, setting, unreached } from "./build.ts";
import { cluster } from "./cluster-situations.ts";
import { nodes } from "./node-situations.ts";
import type { Brief, Situation } from "./situation.ts";
import { slots } from "./slot-situations.ts";
import { upstreams } from "./upstream-situations.ts";

function findingsOf({ nodes: observations, accept }: Pick<Situation, "nodes" | "accept">) {
  return buildTopology("orders", observations, { accept: accept ?? null }).findings;
}

function briefsOf(situation: Pick<Situation, "nodes" | "accept">): readonly Brief[] {
  return findingsOf(situation).map(({ code, severity, node }) =>
    node === undefined ? [code, severity] : [code, severity, node],
  );
}

const answers: readonly UnreachedNode["answer"][] = [
  "error",
  "refused",
  "none",
  "silent",
  "not-postgres",
  "unresolved",
  "tls",
  "pooler",
];

test("a healthy, idle cluster has nothing to say", () => {
  expect(buildTopology("orders", healthy()).findings).toEqual([]);
  expect(briefsOf({ nodes: [reached({ name: "n1" })] })).toEqual([]);
});

describe.each([
  ["the cluster", cluster],
  ["what feeds a standby", upstreams],
  ["one node", nodes],
  ["slots", slots],
])("%s", (_what, situations) => {
  test.each(situations)("$what", ({ findings, says, hint, ...situation }) => {
    expect(briefsOf(situation)).toEqual(findings);
    const [first] = findingsOf(situation);
    if (says !== undefined) expect(first?.message).toContain(says);
    if (hint !== undefined) expect(first?.hint).toContain(hint);
  });
});

describe("a switchover that was cut short", () => {
  const stopped = {
    standbySignal: true,
    demoted: { to: address("n2") },
    shutDownAt: position("1@0/5000000"),
  };
  const down = unreached({ name: "n1", stopped });
  const marks = { repointing: address("n2") };
  const orphan = (name: string, changes: Partial<Parameters<typeof reached>[0]> = {}) =>
    reached({ name, role: "standby", configuredUpstream: address("n1"), ...changes });
  const hintsOf = (...observations: readonly Observation[]) =>
    new Set(buildTopology("orders", observations).findings.map(({ hint }) => hint));

  test("is gone on with or taken back, and nothing that follows from it says otherwise", () => {
    const way = "`remaster switchover` goes on, `remaster undo` makes n1 the primary again";
    expect(hintsOf(down, orphan("n2"), orphan("n3", { marks }))).toEqual(new Set([way]));
    const back = orphan("n1", {
      configuredUpstream: address("n2"),
      marks: { demoted: true, ...marks },
    });
    expect(hintsOf(back, orphan("n2"), orphan("n3"))).toEqual(new Set([way]));
  });

  test("leaves a former primary that only `rejoin` starts, once another node leads", () => {
    const led = reached({ name: "n2", to: ["n3"] });
    expect(hintsOf(down, led, reached({ name: "n3", from: "n2" }))).toEqual(
      new Set(["`remaster rejoin n1 --to n2`"]),
    );
  });

  test("and one that did not come to its shutdown is not mended by parts", () => {
    const primary = reached({
      name: "n1",
      to: ["n2"],
      standbySignal: true,
      marks: { demoted: true, ...marks },
    });
    expect(hintsOf(primary, reached({ name: "n2", from: "n1" }))).toEqual(
      new Set(["`remaster switchover` goes on, `remaster undo` takes it back"]),
    );
  });
});

test.each(answers)("a node that gives %s says so, with a hint", (answer) => {
  const observations = [...healthy(), unreached({ name: "n5", answer, reason: "the reason" })];
  const [finding, ...more] = buildTopology("orders", observations).findings;
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ code: "node-unreachable", severity: "problem", node: "n5" });
  expect(finding?.message).toMatch(/^n5: .* \(the reason\)$/);
  expect(finding?.hint).not.toBe("");
});

test("no message or hint holds a secret", () => {
  const conninfo = setting("host=n1 user=u password='s3cret' sslpassword=s3cret");
  const topology = buildTopology("orders", [
    reached({ name: "n1", settings: { primary_conninfo: conninfo } }),
    reached({
      name: "n2",
      from: "elsewhere",
      receiver: null,
      settings: { primary_conninfo: conninfo },
    }),
  ]);
  const text = topology.findings.map(({ message, hint }) => `${message} ${hint ?? ""}`).join("\n");
  expect(text).toContain("password");
  expect(text).not.toContain("s3cret");
});

test("every code of an observed situation is raised in a situation above", () => {
  const raised = new Set(
    [cluster, upstreams, nodes, slots]
      .flat()
      .flatMap(({ findings }) => findings.map(([code]) => code)),
  );
  const silent = Object.keys(observedCatalogue).filter((code) => !raised.has(code as FindingCode));
  expect(silent).toEqual([]);
});

test("messages are one line, in lower case but for names, without a full stop", () => {
  for (const situation of [cluster, upstreams, nodes, slots].flat()) {
    for (const { code, message, hint } of findingsOf(situation)) {
      expect(findingCatalogue[code]).toMatch(/\.$/);
      for (const text of [message, hint ?? "ok"]) expect(text).toMatch(/^[^A-Z\n][^\n]*[^.\n]$/);
    }
  }
});
