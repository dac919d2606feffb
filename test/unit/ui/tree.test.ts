import { describe, expect, test } from "vitest";
import { buildTopology } from "../../../src/topology/topology.ts";
import { renderTree } from "../../../src/ui/tree.ts";
import {
  address,
  at,
  healthy,
  orphaned,
  reached,
  receiver,
  sender,
  slot,
  unreached,
} from "../topology/build.ts";
import { asciiLook, plainLook, shown } from "./lines.ts";

describe("a topology as a tree", () => {
  test("a healthy cluster with a cascade", () => {
    const topology = buildTopology("orders", healthy());
    expect(shown(renderTree(topology, plainLook))).toMatchInlineSnapshot(`
      "
      NODE      ROLE     POSITION     LAG   STATE
      n1        primary  1@0/5000060        PostgreSQL 17.10
      ├─ n2     standby  1@0/5000060  none  streaming
      └─ n3     standby  1@0/5000060  none  streaming
         └─ n4  standby  1@0/5000060  none  streaming
      "
    `);
  });

  test("in ASCII where the locale is not UTF-8", () => {
    const topology = buildTopology("orders", healthy());
    expect(shown(renderTree(topology, asciiLook))).toMatchInlineSnapshot(`
      "
      NODE      ROLE     POSITION     LAG   STATE
      n1        primary  1@0/5000060        PostgreSQL 17.10
      |- n2     standby  1@0/5000060  none  streaming
      \`- n3     standby  1@0/5000060  none  streaming
         \`- n4  standby  1@0/5000060  none  streaming
      "
    `);
  });

  test("standbys stay below a primary that is down", () => {
    const topology = buildTopology(
      "orders",
      orphaned({ n2: "1@0/5000060", n3: "1@0/4000060", n4: "1@0/5000060" }),
    );
    expect(shown(renderTree(topology, plainLook))).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG    STATE
      n1     down                         connection refused
      ├─ n2  standby  1@0/5000060  none   not streaming
      ├─ n3  standby  1@0/4000060  16 MB  not streaming
      └─ n4  standby  1@0/5000060  none   not streaming
      "
    `);
  });

  test("lag, replay that is held up, marks, and slots that matter", () => {
    const topology = buildTopology("orders", [
      reached({
        name: "n1",
        at: "3@1/5000060",
        to: ["n2", "n3"],
        slots: [
          slot("n2"),
          slot("n9", { active: false, restartLsn: at("0/1000000") }),
          slot("cdc", {
            slotType: "logical",
            confirmedFlushLsn: at("1/5000000"),
            failover: true,
            walStatus: "lost",
          }),
        ],
      }),
      reached({
        name: "n2",
        from: "n1",
        at: "3@1/5000060",
        replayedTo: "3@1/1000060",
        replay: "paused",
        replayAgeMs: 90_500,
      }),
      reached({
        name: "n3",
        from: "n1",
        at: "3@1/4FFF000",
        replayAgeMs: 1234,
        promotable: false,
        replay: "blocked",
        blockers: [
          {
            pid: 7,
            user: "report",
            database: "app",
            applicationName: "psql",
            transactionAgeMs: 5000,
          },
        ],
      }),
      reached({
        name: "n4",
        role: "standby",
        at: "3@1/4000000",
        configuredUpstream: address("n1"),
        marks: { quiesced: true, repointing: address("n2") },
        versionText: "17.4",
        version: 170_004,
      }),
      unreached({ name: "n5", reason: "no answer from 10.0.0.5:5432 within 2000 ms" }),
    ]);
    expect(shown(renderTree(topology, plainLook))).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG                STATE
      n1     primary  3@1/5000060                     PostgreSQL 17.10
      │  slot n9: physical, not in use, at 0/1000000
      │  slot cdc: logical, in use, at 1/5000000, failover, lost
      ├─ n2  standby  3@1/5000060  64 MB, 1 min 31 s  streaming, replay paused with
      │                                               64 MB received
      ├─ n3  standby  3@1/4FFF000  4.0 kB, 1.2 s      streaming, replay blocked by 1
      │                                               session, never leads
      └─ n4  standby  3@1/4000000  16 MB              quiesced, told of n2:5432,
                                                      PostgreSQL 17.4
      n5     down                                     no answer from 10.0.0.5:5432
                                                      within 2000 ms
      "
    `);
  });

  test("an upstream that is no node, a node without one, and a stranger", () => {
    const topology = buildTopology("orders", [
      reached({ name: "n1" }),
      reached({
        name: "n2",
        role: "standby",
        receiver: receiver("10.1.1.1", { receivedTimeline: 1 }),
      }),
      reached({ name: "n3", role: "standby" }),
      reached({ name: "n4", from: "n1", systemIdentifier: "99" }),
    ]);
    expect(shown(renderTree(topology, plainLook))).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG      STATE
      n1     primary  1@0/5000060           PostgreSQL 17.10
      └─ n4  standby  1@0/5000060  unknown  not streaming, another database cluster
      n2     standby  1@0/5000060  none     streaming from 10.1.1.1:5432
      n3     standby  1@0/5000060  none     no upstream
      "
    `);
  });

  test("in a split brain each primary says that it is one of several", () => {
    const topology = buildTopology("orders", [
      reached({ name: "n1", at: "1@0/6000000", to: ["n3"] }),
      reached({ name: "n2", at: "2@0/5000060", marks: { fenced: true } }),
      reached({ name: "n3", from: "n1", at: "1@0/6000000" }),
    ]);
    expect(shown(renderTree(topology, plainLook))).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG      STATE
      n1     primary  1@0/6000000           one of 2 primaries
      └─ n3  standby  1@0/6000000  unknown  streaming
      n2     primary  2@0/5000060           one of 2 primaries, fenced, PostgreSQL
                                            17.10
      "
    `);
  });

  test("a cycle is shown once, from its first node", () => {
    const topology = buildTopology("orders", [
      reached({ name: "n1", to: [] }),
      reached({ name: "n2", from: "n3", senders: [sender("n3")] }),
      reached({ name: "n3", from: "n2", senders: [sender("n2")] }),
    ]);
    const text = shown(renderTree(topology, plainLook));
    expect(text).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG   STATE
      n1     primary  1@0/5000060        PostgreSQL 17.10
      n2     standby  1@0/5000060  none  streaming from n3, a cycle
      └─ n3  standby  1@0/5000060  none  streaming
      "
    `);
    expect(text.match(/\bn2\b/g)).toHaveLength(1);
  });

  test("a long state folds under its own column, with the tree's guides beside it", () => {
    const topology = buildTopology("orders", [
      unreached({ name: "n1", reason: "no answer ".repeat(12).trim() }),
      reached({ name: "n2", role: "standby", configuredUpstream: address("n1") }),
    ]);
    const lines = shown(renderTree(topology, plainLook)).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join("\n")).toMatchInlineSnapshot(`
      "
      NODE   ROLE     POSITION     LAG   STATE
      n1     down                        no answer no answer no answer no answer no
      │                                  answer no answer no answer no answer no
      │                                  answer no answer no answer no answer
      └─ n2  standby  1@0/5000060  none  not streaming
      "
    `);
  });
});
