import { describe, expect, test } from "vitest";
import { addLook, type LastSeen, type SeenPrimary } from "../../../src/topology/last-seen.ts";
import { formatLastSeen, parseLastSeen } from "../../../src/topology/last-seen-json.ts";
import type { Observation } from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import { formatPosition } from "../../../src/wal/position.ts";
import {
  at,
  history,
  observedAt,
  orphaned,
  reached,
  sender,
  setting,
  slot,
  systemIdentifier,
  unreached,
} from "./build.ts";

function look(previous: LastSeen | null, nodes: readonly Observation[]): LastSeen | null {
  return addLook(previous, buildTopology("test", nodes));
}

function primaryOf(seen: LastSeen | null): SeenPrimary {
  if (seen?.primary == null) throw new Error("no primary was seen");
  return seen.primary;
}

const synchronous = { synchronous_standby_names: setting("n2") };
const cluster = [
  reached({ name: "n1", at: "1@0/5000100", to: ["n2", "n3"], settings: synchronous }),
  reached({ name: "n2", from: "n1", at: "1@0/5000100" }),
  reached({ name: "n3", from: "n1", at: "1@0/5000000" }),
];

describe("a look at a living primary", () => {
  test("keeps its settings, its connections with their owners, and everyone's position", () => {
    const seen = look(null, cluster);
    expect(seen?.systemIdentifier).toBe(systemIdentifier);
    expect(primaryOf(seen)).toMatchObject({
      node: "n1",
      observedAt,
      synchronousStandbyNames: "n2",
      synchronousCommit: "on",
      senders: [
        { applicationName: "n2", node: "n2" },
        { applicationName: "n3", node: "n3" },
      ],
      otherConfirmers: [],
      absent: [],
    });
    const positions = [...(seen?.nodes ?? [])].map(([name, { position, applicationName }]) => [
      name,
      position === null ? null : formatPosition(position),
      applicationName,
    ]);
    expect(positions).toEqual([
      ["n2", "1@0/5000100", "n2"],
      ["n3", "1@0/5000000", "n3"],
    ]);
  });

  test("sees a standby that only the primary can reach", () => {
    const senders = [sender("n2", { flushLsn: at("0/50000A0") })];
    const nodes = [reached({ name: "n1", senders }), unreached({ name: "n2" })];
    const seen = look(null, nodes)?.nodes.get("n2");
    expect(seen?.position === undefined || seen.position === null).toBe(false);
    expect(seen).toMatchObject({ applicationName: "n2", startedAt: null });
    expect(primaryOf(look(null, nodes)).absent).toEqual([]);
  });

  test("tells who is down and follows nobody, unless somebody's connection may be its own", () => {
    const down = unreached({ name: "n4" });
    expect(primaryOf(look(null, [...cluster, down])).absent).toEqual(["n4"]);
    const stranger = [
      reached({ name: "n1", to: ["n2", "n3", "barman"] }),
      ...cluster.slice(1),
      down,
    ];
    expect(primaryOf(look(null, stranger)).absent).toEqual([]);
  });

  test("takes no value that is our own session's, or a role's, for everybody's", () => {
    const settings = { ...synchronous, synchronous_commit: setting("on", "user") };
    const nodes = [reached({ name: "n1", settings })];
    expect(primaryOf(look(null, nodes)).synchronousCommit).toBeNull();
  });

  test("knows nothing of connections without pg_monitor", () => {
    const nodes = [reached({ name: "n1", to: ["n2"], missingRights: ["pg_monitor"] })];
    expect(primaryOf(look(null, nodes)).senders).toBeNull();
  });
});

describe("a later look", () => {
  const later = (changes: Partial<Parameters<typeof reached>[0]> = {}) =>
    reached({
      name: "n1",
      at: "1@0/6000000",
      observedAt: observedAt + 1000,
      settings: synchronous,
      ...changes,
    });

  test("remembers since when the settings are what they are", () => {
    const seen = primaryOf(look(look(null, cluster), [later()]));
    expect(seen.observedAt).toBe(observedAt + 1000);
    expect(seen.since.observedAt).toBe(observedAt);
    const changed = later({ settings: { synchronous_standby_names: setting("n3") } });
    expect(primaryOf(look(look(null, cluster), [changed])).since.observedAt).toBe(
      observedAt + 1000,
    );
  });

  test("without a primary keeps what is known of it, and adds where the standbys are", () => {
    const seen = look(look(null, cluster), orphaned({ n2: "1@0/5000200", n3: "1@0/5000000" }));
    expect(primaryOf(seen).node).toBe("n1");
    expect(seen?.nodes.get("n2")?.position?.lsn).toBe(at("0/5000200"));
  });

  test("of a node that cannot be reached any more keeps where it was", () => {
    const nodes = orphaned({ n2: "1@0/5000200" });
    const seen = look(look(null, cluster), [...nodes, unreached({ name: "n3" })]);
    expect(seen?.nodes.get("n3")?.position?.lsn).toBe(at("0/5000000"));
  });

  test("of an old primary that came back alone replaces nothing", () => {
    const promoted = reached({ name: "n2", at: "2@0/5000300", history: history(2, "1 0/5000200") });
    const seen = look(look(null, cluster), [unreached({ name: "n1" }), promoted]);
    expect(primaryOf(seen).node).toBe("n2");
    const back = look(seen, [later({ observedAt: observedAt + 2000 }), unreached({ name: "n2" })]);
    expect(primaryOf(back).node).toBe("n2");
  });

  test("at two primaries takes neither", () => {
    const nodes = [later(), reached({ name: "n2", at: "2@0/5000300" })];
    expect(look(null, nodes)?.primary).toBeNull();
  });

  test("at another cluster begins anew", () => {
    const other = later({ systemIdentifier: "7500000000000000009" });
    const seen = look(look(null, cluster), [other]);
    expect(seen?.systemIdentifier).toBe("7500000000000000009");
    expect(seen?.nodes.size).toBe(0);
  });

  test("at nobody changes nothing", () => {
    const seen = look(null, cluster);
    expect(look(seen, [unreached({ name: "n1" })])).toEqual(seen);
  });
});

describe("the text that is kept", () => {
  test("comes back as it was", () => {
    const promoted = reached({
      name: "n2",
      at: "2@0/5000300",
      history: history(2, "1 0/5000200"),
      otherConfirmers: ["sub"],
      to: ["n3"],
      slots: [
        slot("n3", { catalogXmin: 700 }),
        slot("sub", {
          slotType: "logical",
          plugin: "pgoutput",
          confirmedFlushLsn: at("0/5000200"),
        }),
        slot("passing", { temporary: true }),
      ],
    });
    expect(primaryOf(look(null, [promoted])).slots?.map(({ slotName }) => slotName)).toEqual([
      "n3",
      "sub",
    ]);
    const nodes = [
      promoted,
      reached({ name: "n3", from: "n2", at: "2@0/5000300" }),
      unreached({ name: "n1" }),
    ];
    for (const seen of [look(null, cluster), look(look(null, cluster), nodes)]) {
      if (seen === null) throw new Error("nothing was seen");
      expect(parseLastSeen(formatLastSeen(seen))).toEqual(seen);
    }
  });

  test.each(["", "{", "[]", "{}", '{"format":2}', '{"format":1,"systemIdentifier":7}', "null"])(
    "%j is none of ours",
    (text) => {
      expect(parseLastSeen(text)).toBeNull();
    },
  );

  test("is none of ours when a part of it is cut out", () => {
    const text = formatLastSeen(
      look(null, cluster) ?? { systemIdentifier: "", primary: null, nodes: new Map() },
    );
    for (const key of ["systemIdentifier", "nodes", "observedAt", "position", "senders", "since"]) {
      expect(parseLastSeen(text.replace(`"${key}"`, `"other"`))).toBeNull();
    }
  });
});
