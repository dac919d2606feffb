// What rejoin decides, from topologies and data directories held in memory.

import { describe, expect, test } from "vitest";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { planRejoin, type RejoinRequest } from "../../../src/plan/rejoin.ts";
import type { FormerNode, RewindMeans } from "../../../src/topology/former.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  history,
  position,
  reached,
  type ReachedChanges,
  systemIdentifier,
  unreached,
} from "../topology/build.ts";

const n2 = reached({
  name: "n2",
  at: "2@0/5000100",
  history: history(2, "1 0/5000000"),
  to: ["n3"],
});
const n3 = reached({
  name: "n3",
  at: "2@0/5000100",
  history: history(2, "1 0/5000000"),
  from: "n2",
});
const down = unreached({ name: "n1", hasControl: true });

function old(changes: Partial<ReachedChanges> = {}): Observation {
  return reached({ name: "n1", role: "primary", at: "1@0/6000000", hasControl: true, ...changes });
}

const means: RewindMeans = {
  program: "/bin/pg_rewind",
  tracksPages: true,
  keepIn: "/srv/n1-diverged-1-0-5000000",
  cannotKeep: null,
  lackingRights: [],
};

const diverged: FormerNode["line"] = {
  kind: "diverged",
  switchpoint: position("1@0/5000000"),
  end: position("1@0/6000000"),
  more: false,
  foreign: position("1@0/5000028"),
};

function former(changes: Partial<FormerNode> = {}): FormerNode {
  return {
    runs: false,
    clean: true,
    segmentSize: 16_777_216n,
    systemIdentifier,
    dataDirectory: "/srv/n1",
    line: { kind: "part", torn: null },
    means,
    ...changes,
  };
}

function decide(nodes: readonly Observation[], request: Partial<RejoinRequest> = {}): Decision {
  return planRejoin(buildTopology("test", nodes), {
    node: "n1",
    to: null,
    acceptDataLoss: false,
    former: former(),
    ...request,
  });
}

function outline(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map(({ code, node }) => `refused: ${code} ${node ?? ""}`);
    case "plan":
      return [
        ...decision.plan.stages.map((stage) => stageCommandLine(stage).replace("remaster ", "")),
        ...decision.plan.findings.map(({ code, severity }) => `${severity}: ${code}`),
      ];
  }
}

describe("whom it follows", () => {
  test("is who leads, where one does", () => {
    expect(outline(decide([down, n2, n3]))).toEqual(["rejoin n1 --to n2"]);
    const fenced = old({ marks: { fenced: true } });
    expect(outline(decide([fenced, n2, n3]))).toEqual(["rejoin n1 --to n2"]);
    expect(outline(decide([down, n3]))).toEqual(["refused: no-primary "]);
    expect(outline(decide([old()]))).toEqual(["refused: no-primary "]);
  });

  test("has to be said where two lead", () => {
    expect(outline(decide([old(), n2, n3]))).toEqual(["refused: several-primaries "]);
    const words = { to: "n2", former: former({ runs: true }) };
    expect(outline(decide([old(), n2, n3], words))).toEqual(["stop n1", "rejoin n1 --to n2"]);
    const plan = decide([old(), n2, n3], words);
    expect(plan.kind === "plan" && plan.plan.pointOfNoReturn).toBe(0);
  });

  test("is reachable, another node, and of this cluster", () => {
    expect(outline(decide([down, unreached({ name: "n2" }), n3], { to: "n2" }))).toEqual([
      "refused: node-unreachable n2",
    ]);
    expect(outline(decide([old(), n2, n3], { to: "n1" }))).toEqual([
      "refused: cannot-follow-itself n1",
    ]);
    const foreign = former({ systemIdentifier: "1" });
    expect(outline(decide([down, n2, n3], { former: foreign }))).toEqual([
      "refused: other-cluster n1",
    ]);
  });
});

describe("what it has", () => {
  test("is not given up without a word", () => {
    const request = { former: former({ line: diverged }) };
    const decision = decide([down, n2, n3], request);
    expect(outline(decision)).toEqual(["refused: diverged-wal n1"]);
    expect(decision.kind === "refused" && decision.findings[0]?.message).toContain(
      "from 1@0/5000000 to 1@0/6000000, 16777216 bytes",
    );
    expect(outline(decide([down, n2, n3], { ...request, acceptDataLoss: true }))).toEqual([
      "rejoin n1 --to n2 --accept-data-loss",
      "warning: diverged-wal",
    ]);
  });

  test("is nobody's where it is the server's own", () => {
    const own = former({ line: { ...diverged, foreign: null } });
    expect(outline(decide([down, n2, n3], { former: own }))).toEqual([
      "rejoin n1 --to n2",
      "note: diverged-wal",
    ]);
  });

  test("has to be known", () => {
    const dark = former({ line: { kind: "unknown", why: "pg_control is too short" } });
    expect(outline(decide([down, n2, n3], { former: dark }))).toEqual([
      "refused: history-unclear n1",
    ]);
    const blind = decide([down, n2, n3], { former: null });
    expect(outline(blind)).toEqual(["refused: no-control n1"]);
    expect(blind.kind === "refused" && blind.findings[0]?.hint).toContain("standby.signal");
  });
});

describe("a rewind", () => {
  const request = (changes: Partial<RewindMeans>) => ({
    acceptDataLoss: true,
    former: former({ line: diverged, means: { ...means, ...changes } }),
  });

  test.each([
    [{ program: null }, "base-backup-needed n1"],
    [{ tracksPages: false }, "base-backup-needed n1"],
    [{ cannotKeep: "/srv may not be written to" }, "no-control n1"],
    [{ lackingRights: ["pg_checkpoint"] }, "missing-right n2"],
  ])("is refused without what it needs: %j", (changes, code) => {
    expect(outline(decide([down, n2, n3], request(changes)))).toEqual([`refused: ${code}`]);
  });

  test("goes back to a primary alone", () => {
    expect(outline(decide([down, n2, n3], { ...request({}), to: "n3" }))).toEqual([
      "refused: not-a-primary n3",
    ]);
  });

  test("is foreseen for one that runs: its shutdown writes", () => {
    const runs = former({ runs: true, means: { ...means, program: null } });
    expect(outline(decide([old(), n2, n3], { to: "n2", former: runs }))).toEqual([
      "refused: base-backup-needed n1",
    ]);
  });
});

test("a standby on the line is only told whom it follows, and needs no control", () => {
  const standby = reached({ name: "n1", role: "standby", at: "1@0/5000000" });
  expect(outline(decide([standby, n2, n3], { former: null }))).toEqual(["rejoin n1 --to n2"]);
  const past = reached({ name: "n1", role: "standby", at: "1@0/6000000" });
  expect(outline(decide([past, n2, n3], { former: null }))).toEqual(["refused: no-control n1"]);
});
