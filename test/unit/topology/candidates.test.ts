import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RankingOptions, rankCandidates } from "../../../src/topology/candidates.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import {
  at,
  history,
  orphaned,
  reached,
  type ReachedChanges,
  setting,
  unreached,
} from "./build.ts";

function rank(nodes: readonly Observation[], options?: RankingOptions) {
  return rankCandidates(buildTopology("orders", nodes), options);
}

/** A standby without its upstream. */
function standby(name: string, where: string, changes: Partial<ReachedChanges> = {}) {
  return reached({ name, role: "standby", at: where, ...changes });
}

const dead = unreached({ name: "n1" });
const order = (nodes: readonly Observation[], options?: RankingOptions) =>
  rank(nodes, options).ranking.map((ranked) => ranked.node);
const rankOf = (nodes: readonly Observation[], name: string, options?: RankingOptions) => {
  const found = rank(nodes, options).ranking.find((ranked) => ranked.node === name);
  if (found === undefined) throw new Error(`${name} is not ranked`);
  return found;
};

describe("the primary is dead", () => {
  test("the node that is ahead leads when it may", () => {
    const ranking = rank(orphaned({ n2: "1@0/5000000", n3: "1@0/5000100", n4: "1@0/4000000" }));
    expect(ranking).toMatchObject({ ahead: "n3", candidate: "n3", exchange: null });
    expect(ranking.ranking).toMatchObject([
      { node: "n3", relation: "same", bytesBehind: 0n, eligible: true, objections: [] },
      { node: "n2", relation: "behind", bytesBehind: 0x100n, eligible: true },
      { node: "n4", relation: "behind", bytesBehind: 0x1000100n, eligible: true },
      { node: "n1", relation: "unknown", bytesBehind: null, eligible: false, position: null },
    ]);
  });

  test("one that never leads supplies what the candidate lacks", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5000000"),
      standby("n3", "1@0/5000100", { promotable: false }),
      standby("n4", "1@0/4000000"),
    ];
    expect(rank(nodes)).toMatchObject({
      ahead: "n3",
      candidate: "n2",
      exchange: { from: "n3", to: "n2", bytes: 0x100n },
    });
    expect(order(nodes)).toEqual(["n2", "n4", "n3", "n1"]);
    expect(rankOf(nodes, "n3").reasons).toEqual([
      "no reachable standby has more",
      "not promotable by the topology file",
    ]);
    expect(rankOf(nodes, "n2").reasons).toEqual(["256 bytes behind n3"]);
  });

  test("priority goes before position, since an exchange brings what is missing", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5000100"),
      standby("n3", "1@0/4000000", { priority: 10 }),
      standby("n4", "1@0/5000000", { priority: -1 }),
    ];
    expect(order(nodes)).toEqual(["n3", "n2", "n4", "n1"]);
    expect(rank(nodes)).toMatchObject({ candidate: "n3", exchange: { from: "n2", to: "n3" } });
    expect(rankOf(nodes, "n3").reasons).toContain("priority 10");
  });

  test("between equals the first in the topology file", () => {
    const level = { n4: "1@0/5000000", n3: "1@0/5000000", n2: "1@0/5000000" };
    expect(order(orphaned(level))).toEqual(["n4", "n3", "n2", "n1"]);
    expect(rankOf(orphaned(level), "n2").reasons).toEqual(["has all that n4 has"]);
  });

  test("received decides who is ahead, whatever is replayed", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5000100", { replayedTo: "1@0/3000000" }),
      standby("n3", "1@0/5000000"),
    ];
    expect(rank(nodes).ahead).toBe("n2");
  });

  test("the source is one that still has the WAL and may send it", () => {
    const recycled = {
      oldest: "000000010000000000000005",
      newest: "000000010000000000000007",
    };
    const laggard = standby("n2", "1@0/4000000", { priority: 5 });
    const keeper = standby("n5", "1@0/5000100");
    const without = standby("n3", "1@0/5000100", { walFiles: recycled });
    const mute = standby("n4", "1@0/5000100", { settings: { max_wal_senders: setting("0") } });
    expect(rank([dead, laggard, without, mute, keeper]).exchange).toMatchObject({ from: "n5" });
    const stranded = [dead, laggard, without, mute];
    expect(rank(stranded)).toMatchObject({ candidate: "n3", exchange: null });
    expect(rankOf(stranded, "n2").objections[0]).toContain(
      "nobody who has them (n3, n4) still has the WAL from 0/4000000 on",
    );
    const blind = standby("n3", "1@0/5000100", { walFiles: null });
    expect(rank([dead, laggard, blind]).exchange).toMatchObject({ from: "n3", to: "n2" });
  });

  test("nobody is left", () => {
    expect(
      rank([dead, unreached({ name: "n2", answer: "none", reason: "timeout" })]),
    ).toMatchObject({
      ahead: null,
      candidate: null,
      exchange: null,
      ranking: [
        { node: "n1", objections: ["cannot be reached: connection refused"] },
        { node: "n2", objections: ["cannot be reached: timeout"] },
      ],
    });
    expect(rank([])).toEqual({ ahead: null, candidate: null, exchange: null, ranking: [] });
  });
});

describe("who may not lead", () => {
  const good = standby("n9", "1@0/5000000");

  test.each<[string, Partial<ReachedChanges>, string]>([
    ["not promotable", { promotable: false }, "not promotable"],
    ["replay paused", { replay: "paused" }, "its replay is paused"],
    ["a pause asked for", { pauseRequested: true }, "a pause of its replay was asked for"],
    ["replay delayed", { replay: "delayed" }, "its replay is delayed"],
    ["replay blocked", { replay: "blocked" }, "its replay is blocked"],
    ["point-in-time recovery", { standbySignal: false, recoverySignal: true }, "point-in-time"],
    ["another cluster", { systemIdentifier: "42" }, "another cluster (system identifier 42)"],
    [
      "another major",
      { version: 160_014, versionText: "16.14" },
      "runs PostgreSQL 16.14, and the cluster 17",
    ],
    [
      "an unknown position",
      { received: null, replayed: null, missingRights: ["REPLICATION"] },
      "without REPLICATION",
    ],
    ["a primary", { role: "primary" }, "is a primary"],
  ])("%s", (_what, changes, reason) => {
    const nodes = [
      dead,
      standby("n2", "1@0/5000000", { priority: 99, ...changes }),
      good,
      standby("n8", "1@0/4000000"),
    ];
    expect(rank(nodes).candidate).toBe("n9");
    const ranked = rankOf(nodes, "n2");
    expect(ranked.eligible).toBe(false);
    expect(ranked.objections.join("; ")).toContain(reason);
    expect(rank(nodes, { to: "n2" }).candidate).toBeNull();
  });

  test("everything that stands in the way is said", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5000000", { promotable: false, replay: "paused" }),
      good,
    ];
    expect(rankOf(nodes, "n2").objections).toHaveLength(2);
  });

  test("blocked replay counts no more when its sessions will be ended", () => {
    const blockers = [
      { pid: 7, user: "bi", database: "dw", applicationName: "", transactionAgeMs: null },
    ];
    const nodes = [dead, standby("n2", "1@0/5000000", { replay: "blocked", blockers })];
    expect(rankOf(nodes, "n2").objections).toEqual(["its replay is blocked by pid 7 of bi"]);
    expect(rank(nodes, { cancelQueries: true }).candidate).toBe("n2");
  });

  test("one that cannot be compared for want of a history", () => {
    const nodes = [
      dead,
      standby("n2", "2@0/6000000", { history: history(2, "1 0/5000000") }),
      standby("n3", "3@0/6000000", { history: null }),
      standby("n4", "2@0/5900000", { history: history(2, "1 0/5000000") }),
    ];
    expect(rank(nodes).candidate).toBeNull();
    expect(rank(nodes, { to: "n2" })).toMatchObject({ ahead: "n2", candidate: "n2" });
    expect(rankOf(nodes, "n3", { to: "n2" }).objections.join()).toContain(
      "cannot be compared with n2",
    );
  });
});

describe("standbys that went different ways", () => {
  const onTwo = (name: string, where: string, changes: Partial<ReachedChanges> = {}) =>
    standby(name, where, { history: history(2, "1 0/5000000"), ...changes });

  test("a straggler on an older timeline is diverged and stops nobody", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5800000"),
      onTwo("n3", "2@0/6000000"),
      onTwo("n4", "2@0/6000100"),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n4", candidate: "n4" });
    expect(rankOf(nodes, "n2")).toMatchObject({
      relation: "diverged",
      bytesBehind: null,
      objections: [
        "went another way than n4 after 1@0/5000000: it replayed what is not in that history",
      ],
    });
    expect(rankOf(nodes, "n4").reasons).toEqual([
      "no reachable standby has more",
      "more standbys are on its line than on any other",
      "its timeline is the latest",
    ]);
  });

  test("the only one that followed the last promotion leads, though the others are more", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5800000", { replayAgeMs: 86_400_000 }),
      standby("n3", "1@0/5800000", { replayAgeMs: 86_400_000 }),
      onTwo("n4", "2@0/6000100", { replayAgeMs: 2000 }),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n4", candidate: "n4" });
  });

  test("one that was promoted by mistake and taken back does not lead", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5800000", { replayAgeMs: 2000 }),
      standby("n3", "1@0/5800000", { replayAgeMs: 2000 }),
      onTwo("n4", "2@0/6000100", { replayAgeMs: 7_200_000 }),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n2", candidate: "n2" });
    expect(rankOf(nodes, "n4").relation).toBe("diverged");
  });

  test("without two pieces of evidence nobody leads until the operator names one", () => {
    const nodes = [dead, standby("n2", "1@0/5800000"), onTwo("n3", "2@0/6000100")];
    expect(rank(nodes).candidate).toBeNull();
    expect(
      rank(nodes)
        .ranking.flatMap((ranked) => ranked.objections)
        .join(),
    ).toContain("--accept-timeline");
    expect(rank(nodes, { to: "n2" })).toMatchObject({ ahead: "n2", candidate: "n2" });
    expect(rankOf(nodes, "n3", { to: "n2" }).relation).toBe("diverged");
    expect(rank(nodes, { to: "n3" })).toMatchObject({ ahead: "n3", candidate: "n3" });
  });

  test("ages that clocks alone may make are no evidence", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5800000", { replayAgeMs: 2900 }),
      onTwo("n3", "2@0/6000100", { replayAgeMs: 2000 }),
    ];
    expect(rank(nodes).candidate).toBeNull();
  });

  test("a torn tail past the switchpoint that was not replayed is no divergence", () => {
    const nodes = [
      dead,
      onTwo("n2", "2@0/5000100"),
      standby("n3", "1@0/5000060", { replayedTo: "1@0/4FFFF00" }),
    ];
    expect(rankOf(nodes, "n3")).toMatchObject({ relation: "behind", eligible: true });
  });

  test("one that is behind all lines decides for none of them", () => {
    const nodes = [
      dead,
      standby("n2", "1@0/5800000"),
      onTwo("n3", "2@0/6000100"),
      standby("n4", "1@0/4000000"),
    ];
    expect(rank(nodes, { to: "n4" }).candidate).toBeNull();
  });

  test("an operator's choice goes before priority, and does not make a node what it is not", () => {
    const nodes = orphaned({ n2: "1@0/5000100", n3: "1@0/4000000" });
    expect(rank(nodes, { to: "n3" })).toMatchObject({
      candidate: "n3",
      exchange: { from: "n2", to: "n3" },
    });
    expect(order(nodes, { to: "n3" })).toEqual(["n3", "n2", "n1"]);
    expect(rank(nodes, { to: "n1" }).candidate).toBeNull();
    expect(rank(nodes, { to: "nobody" }).candidate).toBeNull();
  });
});

describe("the primary lives", () => {
  const primary = reached({ name: "n1", at: "1@0/5000200", to: ["n2", "n3"] });

  test("it is ranked, and the standbys are compared with it", () => {
    const nodes = [
      primary,
      reached({ name: "n2", from: "n1", at: "1@0/5000100" }),
      reached({ name: "n3", from: "n1", at: "1@0/5000200" }),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n3", candidate: "n3" });
    expect(rankOf(nodes, "n1")).toMatchObject({ relation: "same", eligible: false });
    expect(rankOf(nodes, "n3").reasons).toContain("has all that the primary n1 has written");
    expect(rankOf(nodes, "n2").reasons).toContain("256 bytes behind the primary n1");
  });

  test("it may be ahead of every standby", () => {
    const nodes = [primary, reached({ name: "n2", from: "n1", at: "1@0/5000100" })];
    expect(rankOf(nodes, "n1")).toMatchObject({ relation: "ahead", bytesBehind: 0n });
    expect(rankOf(nodes, "n1").reasons).toEqual(["256 bytes ahead of n2", "is a primary"]);
  });

  test("its line is the cluster's, however many went another way", () => {
    const nodes = [
      reached({ name: "n1", at: "2@0/6000000", history: history(2, "1 0/5000000") }),
      standby("n2", "1@0/5800000"),
      standby("n3", "1@0/5800000"),
      standby("n4", "2@0/5500000", { history: history(2, "1 0/5000000") }),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n4", candidate: "n4" });
    expect(rankOf(nodes, "n2").relation).toBe("diverged");
    expect(rank(nodes, { to: "n2" }).candidate).toBeNull();
  });

  test("who left its line is diverged, however little the others have", () => {
    const nodes = [
      reached({ name: "n1", at: "1@0/6000000" }),
      standby("n2", "1@0/4000000"),
      standby("n3", "2@0/6000000", { history: history(2, "1 0/5000000") }),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: "n2", candidate: "n2", exchange: null });
    expect(rankOf(nodes, "n3")).toMatchObject({ relation: "diverged", eligible: false });
  });

  test("with every standby gone another way, they are measured against it", () => {
    const nodes = [
      reached({ name: "n1", at: "2@0/6000000", history: history(2, "1 0/5000000") }),
      standby("n2", "1@0/5800000"),
    ];
    expect(rank(nodes)).toMatchObject({ ahead: null, candidate: null });
    expect(rankOf(nodes, "n2")).toMatchObject({
      relation: "diverged",
      objections: [
        "went another way than n1 after 1@0/5000000: it replayed what is not in that history",
      ],
    });
  });
});

describe("whatever is observed", () => {
  const names = ["n1", "n2", "n3", "n4", "n5"];
  const anyNode = (name: string): fc.Arbitrary<Observation> =>
    fc.oneof(
      { weight: 1, arbitrary: fc.constant(unreached({ name })) },
      {
        weight: 4,
        arbitrary: fc
          .record({
            role: fc.constantFrom("standby" as const, "standby" as const, "primary" as const),
            timeline: fc.constantFrom(1, 2, 3),
            lsn: fc.integer({ min: 0, max: 8 }),
            behind: fc.integer({ min: 0, max: 2 }),
            promotable: fc.boolean(),
            priority: fc.integer({ min: 0, max: 2 }),
            replay: fc.constantFrom("running" as const, "running" as const, "paused" as const),
            replayAgeMs: fc.constantFrom(null, 10, 10_000),
            knowsHistory: fc.boolean(),
          })
          .map(({ timeline, lsn, behind, knowsHistory, ...rest }) =>
            reached({
              name,
              at: `${timeline}@0/${lsn}000000`,
              replayedTo: `${timeline}@0/${Math.max(0, lsn - behind)}000000`,
              history:
                timeline === 1
                  ? history(1)
                  : knowsHistory
                    ? history(timeline, timeline === 2 ? "1 0/4000000" : "1 0/5000000")
                    : null,
              ...rest,
            }),
          ),
      },
    );
  const clusters = fc.tuple(...names.map(anyNode));
  const options = fc.option(
    fc.constantFrom(...names).map((to) => ({ to })),
    { nil: {} },
  );

  test("the ranking is everyone once, the same every time", () => {
    fc.assert(
      fc.property(clusters, options, (nodes, given) => {
        const ranking = rank(nodes, given);
        expect(ranking.ranking.map((ranked) => ranked.node).toSorted()).toEqual(names);
        expect(rank(nodes, given)).toEqual(ranking);
      }),
    );
  });

  test("a candidate may lead, holds or can get what the one ahead has, and nobody fit is ranked before it", () => {
    fc.assert(
      fc.property(clusters, options, (nodes, given) => {
        const { ahead, candidate, exchange, ranking } = rank(nodes, given);
        for (const ranked of ranking) expect(ranked.eligible).toBe(ranked.objections.length === 0);
        if (candidate === null) {
          expect(exchange).toBeNull();
          return;
        }
        const first = ranking[0];
        expect(first).toMatchObject({ node: candidate, eligible: true, promotable: true });
        expect(ahead).not.toBeNull();
        expect(first?.bytesBehind).toBe(exchange?.bytes ?? 0n);
        if (exchange !== null) expect(exchange.to).toBe(candidate);
      }),
    );
  });

  test("no eligible standby has replayed what the one ahead has not", () => {
    fc.assert(
      fc.property(clusters, (nodes) => {
        for (const ranked of rank(nodes).ranking) {
          if (ranked.eligible) expect(["same", "behind"]).toContain(ranked.relation);
        }
      }),
    );
  });
});

test("an LSN beyond 32 bits of a segment's name is compared as a number", () => {
  const nodes = orphaned({ n2: "1@9/0", n3: "1@10/0" });
  expect(rank(nodes).ahead).toBe("n3");
  expect(rankOf(nodes, "n2").bytesBehind).toBe(at("10/0") - at("9/0"));
});
