// Whether an acknowledged commit can be missing: a table of what was seen and who was reached, and the server's own rule
// played over random standbys, where a proof must never be wrong.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type NamedStandby,
  type Proof,
  type ProofInput,
  proveDurability,
  type SeenSender,
  type SynchronousSetting,
} from "../../../src/topology/durability-proof.ts";
import { parseSynchronousStandbyNames } from "../../../src/topology/durability.ts";

function named(...names: readonly string[]): readonly NamedStandby[] {
  return names.map((name) => {
    const [node = "", applicationName = node] = name.split("=");
    return { node, applicationName: applicationName === "?" ? null : applicationName };
  });
}

/** `n2` or `n2=name` for a node's connection, `?=name` for somebody's. */
function senders(...names: readonly string[]): readonly SeenSender[] {
  return names.map((name) => {
    const [node = "", applicationName = node] = name.split("=");
    return { applicationName, syncState: "sync", node: node === "?" ? null : node };
  });
}

interface Case {
  readonly names: string | null;
  readonly commit?: string | null;
  readonly reached: readonly NamedStandby[];
  readonly away?: readonly NamedStandby[];
  readonly senders?: readonly SeenSender[] | null;
  readonly others?: readonly string[];
}

function prove(given: Case): Proof {
  return proveDurability({
    setting: {
      synchronousStandbyNames: given.names,
      synchronousCommit: given.commit === undefined ? "on" : given.commit,
      senders: given.senders === undefined ? [] : given.senders,
      otherConfirmers: given.others ?? [],
    },
    reached: given.reached,
    away: given.away ?? [],
  });
}

describe("proven: fewer than must confirm could have done so unseen", () => {
  test.each<[string, Case]>([
    ["the one that is listed", { names: "n2", reached: named("n2"), away: named("n3", "n4") }],
    ["all of several", { names: "n2, n3", reached: named("n2", "n3"), away: named("n4") }],
    [
      "FIRST 2 of 3, one away",
      { names: "FIRST 2 (n2, n3, n4)", reached: named("n2", "n3"), away: named("n4") },
    ],
    [
      "ANY 2 of 3, one away",
      { names: "ANY 2 (n2, n3, n4)", reached: named("n3", "n4"), away: named("n2") },
    ],
    ["ANY 2, one that nobody knows", { names: "ANY 2 (n2, n3, x)", reached: named("n2", "n3") }],
    ["names without case", { names: "N2", reached: named("n2") }],
    [
      "by the name that the receiver gives",
      { names: "west", reached: named("n2=west"), away: named("n3") },
    ],
    ["remote_apply", { names: "n2", commit: "remote_apply", reached: named("n2") }],
    ["remote_write", { names: "n2", commit: "remote_write", reached: named("n2") }],
    [
      "* with all followers known and reached",
      { names: "*", reached: named("n2", "n3"), senders: senders("n2", "n3") },
    ],
    [
      "2 (*) with one away",
      {
        names: "2 (*)",
        reached: named("n2", "n3"),
        away: named("n4"),
        senders: senders("n2", "n3", "n4"),
      },
    ],
    [
      "a name that all share, all reached",
      {
        names: "ANY 1 (rep)",
        reached: named("n2=rep", "n3=rep"),
        senders: senders("n2=rep", "n3=rep"),
      },
    ],
    [
      "who confirmed by a name that changed since",
      { names: "old", reached: named("n2=new"), senders: senders("n2=old") },
    ],
  ])("%s", (_, given) => {
    expect(prove(given)).toMatchObject({ kind: "proven" });
  });

  test("says who could have confirmed, and whose rest would keep others from it", () => {
    const given = { names: "ANY 2 (n2, n3, n4)", reached: named("n2", "n3"), away: named("n4") };
    expect(prove(given)).toMatchObject({ unseen: ["n4"], confirmers: ["n2", "n3"], demanded: 2 });
    const all = { names: "*", reached: named("n2"), senders: senders("n2") };
    expect(prove(all)).toMatchObject({ confirmers: null });
  });
});

describe("not proven", () => {
  test.each<[string, Case, RegExp]>([
    ["nobody had to confirm", { names: "", reached: named("n2") }, /asynchronous/],
    [
      "synchronous_commit = local",
      { names: "n2", commit: "local", reached: named("n2") },
      /did not wait/,
    ],
    [
      "synchronous_commit = off",
      { names: "n2", commit: "off", reached: named("n2") },
      /did not wait/,
    ],
    ["the names were not to be seen", { names: null, reached: named("n2") }, /not to be seen/],
    [
      "the level was not to be seen",
      { names: "n2", commit: null, reached: named("n2") },
      /not to be seen/,
    ],
    ["no value that a server takes", { names: "n2,", reached: named("n2") }, /cannot be read/],
    [
      "the one that is listed is away",
      { names: "n2", reached: named("n3"), away: named("n2") },
      /none of n2 was reached/,
    ],
    [
      "one of two is away",
      { names: "n2, n3", reached: named("n2"), away: named("n3") },
      /n3 could have/,
    ],
    [
      "FIRST 1 says nothing of who was connected",
      { names: "FIRST 1 (n2, n3)", reached: named("n2"), away: named("n3") },
      /n3 could have/,
    ],
    [
      "ANY 2 of 3, two away",
      { names: "ANY 2 (n2, n3, n4)", reached: named("n2"), away: named("n3", "n4") },
      /n3, n4 could have/,
    ],
    ["a name that nobody known bears", { names: "n2, x", reached: named("n2") }, /x could have/],
    [
      "a reached node whose name is not known",
      { names: "n2", reached: named("n2=?") },
      /none of n2/,
    ],
    [
      "a node away that bore the name",
      { names: "n2", reached: named("n2"), away: named("n3=n2") },
      /n3 could have/,
    ],
    [
      "another connection by the same name",
      { names: "n2", reached: named("n2"), senders: senders("n2", "?=n2") },
      /no node of the topology file/,
    ],
    [
      "a name that all share, one away",
      { names: "rep", reached: named("n2=rep", "n3=rep"), away: named("n4=rep") },
      /n4 could have/,
    ],
    [
      "a name that all share, one away whose name is not known",
      { names: "rep", reached: named("n2=rep", "n3=rep"), away: named("n4=?") },
      /n4 could have/,
    ],
    [
      "a shared name that a stranger bore",
      { names: "rep", reached: named("n2=rep", "n3=rep"), senders: senders("?=rep") },
      /no node of the topology file/,
    ],
    [
      "the name of whoever was told none",
      { names: "walreceiver", reached: named("n2=walreceiver"), away: named("n3=?") },
      /n3 could have/,
    ],
    [
      "* and followers that were not to be seen",
      { names: "*", reached: named("n2"), senders: null },
      /not to be seen/,
    ],
    [
      "* and a follower that nobody knows",
      { names: "*", reached: named("n2"), senders: senders("n2", "?=barman") },
      /barman/,
    ],
    [
      "* and a logical consumer",
      { names: "*", reached: named("n2"), senders: senders("n2"), others: ["sub"] },
      /sub confirm, which is no standby/,
    ],
    [
      "* and a node away that did not follow then",
      { names: "*", reached: named("n2"), away: named("n3"), senders: senders("n2") },
      /n3 could have/,
    ],
    [
      "a subscription by a standby's name",
      { names: "n2", reached: named("n2"), others: ["n2"] },
      /no standby could have/,
    ],
  ])("%s", (_, given, why) => {
    const proof = prove(given);
    expect(proof.kind).not.toBe("proven");
    expect(proof).toMatchObject({ why: expect.stringMatching(why) as string });
  });
});

// --- The server's rule on random clusters.

interface Server {
  /** Null: no node of the topology file. */
  readonly node: string | null;
  readonly name: string;
}

const nodes = ["n2", "n3", "n4", "n5"] as const;

interface World {
  readonly servers: readonly Server[];
  readonly text: string;
  /** For each commit: who is connected and streams, and who of them gets it. */
  readonly commits: readonly {
    readonly connected: readonly boolean[];
    readonly gets: readonly boolean[];
  }[];
  readonly seenAt: number;
  readonly reached: readonly boolean[];
  /** By node: whether what it calls itself is known. */
  readonly nameKnown: readonly boolean[];
  /** Every standby has a slot of its own, so that its connection is known for its own whatever its name. */
  readonly slots: boolean;
}

const worlds: fc.Arbitrary<World> = fc
  .record({
    shared: fc.array(fc.constantFrom("own", "own", "own", "rep", "walreceiver"), {
      minLength: 4,
      maxLength: 4,
    }),
    strangers: fc.subarray(["x", "rep", "walreceiver", "barman"]),
    method: fc.constantFrom("FIRST", "ANY"),
    count: fc.integer({ min: 1, max: 3 }),
    listed: fc.uniqueArray(fc.constantFrom(...nodes, ...nodes, "rep", "x", "walreceiver", "*"), {
      minLength: 1,
      maxLength: 5,
    }),
    bits: fc.array(
      fc.record({
        connected: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        gets: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    seenAt: fc.nat(),
    reached: fc.array(fc.constantFrom(true, true, false), { minLength: 4, maxLength: 4 }),
    nameKnown: fc.array(fc.constantFrom(true, true, true, false), { minLength: 4, maxLength: 4 }),
    slots: fc.boolean(),
  })
  .map(({ shared, strangers, method, count, listed, bits, seenAt, ...rest }) => {
    const own = nodes.map((node, index) => ({
      node,
      name: shared[index] === "own" ? node : (shared[index] ?? node),
    }));
    const servers = [...own, ...strangers.map((name) => ({ node: null, name }))];
    const names = listed.map((name) => (name === "*" ? name : `"${name}"`)).join(", ");
    const commits = bits.map(({ connected, gets }) => ({
      // A stranger follows all the time: what the proof rests on is that those who followed were seen.
      connected: servers.map((server, index) => server.node === null || connected[index] === true),
      gets,
    }));
    return {
      servers,
      text: `${method} ${count} (${names})`,
      commits,
      seenAt: seenAt % commits.length,
      ...rest,
    };
  });

/** Plays the commits; gives which were acknowledged, and how far each server came. */
function play({ servers, text, commits }: World) {
  const wanted = parseSynchronousStandbyNames(text);
  if (wanted === null) throw new Error(`no setting: ${text}`);
  const held = servers.map(() => -1);
  const acknowledged: number[] = [];
  for (const [lsn, { connected, gets }] of commits.entries()) {
    for (const index of servers.keys()) {
      if (connected[index] === true && gets[index] === true) held[index] = lsn;
    }
    const entries = wanted.names.map((name) => name.toLowerCase());
    const candidates = servers
      .map(({ name }, index) => ({
        index,
        priority: entries.findIndex((entry) => entry === "*" || entry === name.toLowerCase()),
      }))
      .filter(({ index, priority }) => connected[index] === true && priority >= 0)
      .toSorted((a, b) => a.priority - b.priority);
    const has = ({ index }: { index: number }) => (held[index] ?? -1) >= lsn;
    const confirmed =
      wanted.method === "any"
        ? candidates.filter(has).length >= wanted.count
        : candidates.length >= wanted.count && candidates.slice(0, wanted.count).every(has);
    if (confirmed) acknowledged.push(lsn);
  }
  return { held, acknowledged };
}

function inputOf(world: World): ProofInput {
  const { servers, commits, seenAt, reached, nameKnown, slots } = world;
  const sharing = (name: string) => servers.filter((server) => server.name === name).length > 1;
  const rows = servers
    .filter((_, index) => commits[seenAt]?.connected[index] === true)
    .map(({ node, name }) => ({
      applicationName: name,
      syncState: "sync",
      node: slots || !sharing(name) ? node : null,
    }));
  const setting: SynchronousSetting = {
    synchronousStandbyNames: world.text,
    synchronousCommit: "on",
    senders: rows,
    otherConfirmers: [],
  };
  const standbys = nodes.map((node, index) => ({
    node,
    applicationName: nameKnown[index] === true ? (servers[index]?.name ?? null) : null,
  }));
  return {
    setting,
    reached: standbys.filter((_, index) => reached[index] === true),
    away: standbys.filter((_, index) => reached[index] !== true),
  };
}

test("a proof is never wrong, whoever was connected when", () => {
  let proofs = 0;
  let losses = 0;
  fc.assert(
    fc.property(worlds, (world) => {
      const { held, acknowledged } = play(world);
      const best = Math.max(
        -1,
        ...nodes.map((_, index) => (world.reached[index] === true ? (held[index] ?? -1) : -1)),
      );
      const lost = acknowledged.some((lsn) => lsn > best);
      const proof = proveDurability(inputOf(world));
      if (proof.kind === "proven") proofs += 1;
      if (lost) losses += 1;
      return !(lost && proof.kind === "proven");
    }),
    { numRuns: 20_000 },
  );
  // Neither is it silent, nor are the worlds without loss.
  expect(proofs).toBeGreaterThan(500);
  expect(losses).toBeGreaterThan(500);
});
