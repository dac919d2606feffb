// What a switchover and a fence decide, from topologies held in memory.

import { describe, expect, test } from "vitest";
import { planFence, planUnfence } from "../../../src/plan/fence.ts";
import type { Decision } from "../../../src/plan/plan.ts";
import { stageCommandLine } from "../../../src/plan/command-line.ts";
import { planSwitchover } from "../../../src/plan/switchover.ts";
import { planUndo } from "../../../src/plan/undo.ts";
import type {
  Observation,
  Slot,
  StoppedServer,
  UnreachedNode,
  WalSender,
} from "../../../src/topology/node.ts";
import { buildTopology } from "../../../src/topology/topology.ts";
import type { WriterSurvey } from "../../../src/topology/writers.ts";
import { lsn, parseLsn } from "../../../src/wal/lsn.ts";
import {
  address,
  history,
  reached,
  receiver,
  sender,
  setting,
  slot,
  unreached,
} from "../topology/build.ts";

const at = "1@0/5000000";

function primary(changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({
    name: "n1",
    at,
    role: "primary",
    hasControl: true,
    canBeDemoted: true,
    senders: [sender("n2"), sender("n3")],
    slots: [slot("n2"), slot("n3"), slot("else")],
    ...changes,
  });
}

function standby(name: string, changes: Partial<Parameters<typeof reached>[0]> = {}) {
  return reached({
    name,
    at,
    role: "standby",
    configuredUpstream: address("n1"),
    receiver: receiver("n1"),
    settings: { primary_slot_name: setting(name) },
    ...changes,
  });
}

const nobody: WriterSurvey = {
  node: "n1",
  sessions: [],
  overrides: [],
  subscriptions: [],
  preparedTransactions: [],
  isSuperuser: true,
};

function decide(
  nodes: readonly Observation[],
  request: Partial<Parameters<typeof planSwitchover>[1]> = {},
): Decision {
  return planSwitchover(buildTopology("test", nodes), {
    to: "n2",
    fit: { strandedStandbys: false, blockedCommits: false },
    accepted: { slotLoss: false, longPause: false },
    spare: [],
    survey: null,
    ...request,
  });
}

function outline(decision: Decision): readonly string[] {
  switch (decision.kind) {
    case "already":
      return ["already"];
    case "refused":
      return decision.findings.map((finding) => `refused: ${finding.code} ${finding.node ?? ""}`);
    case "plan":
      return decision.plan.stages.map((stage) =>
        stageCommandLine(stage).replaceAll("remaster ", ""),
      );
  }
}

describe("a switchover", () => {
  test("does beforehand what can be done, then shuts the primary down", () => {
    const decision = decide([primary(), standby("n2"), standby("n3")]);
    expect(outline(decision)).toEqual([
      "repoint n3 --to n2 --keep-mark",
      "checkpoint n1 n2",
      "demote n1 --to n2",
      "promote n2",
      "rejoin n1 --to n2",
      "repoint n3 --to n2",
      "drop-slot n1 --slot n2; drop-slot n1 --slot n3",
    ]);
    expect(decision.kind === "plan" && decision.plan.pointOfNoReturn).toBe(3);
  });

  test("fences a primary that nobody can stop, and gives the next one back what that took away", () => {
    const survey = { ...nobody, subscriptions: [{ database: "shop", name: "orders" }] };
    const decision = decide(
      [primary({ hasControl: false, canBeDemoted: false }), standby("n2"), standby("n3")],
      {
        spare: ["dump"],
        survey,
      },
    );
    expect(outline(decision)).toEqual([
      "repoint n3 --to n2 --keep-mark",
      "checkpoint n1 n2",
      "fence n1 --spare dump --to n2",
      "promote n2",
      "unfence n2 --of n1",
      "repoint n3 --to n2",
    ]);
    expect(decision.kind === "plan" && decision.plan.findings.map(({ code }) => code)).toEqual([
      "fenced",
    ]);
  });

  test("a candidate below another standby streams from the primary itself first", () => {
    const above = standby("n3", { senders: [sender("n2")], slots: [slot("n2")] });
    const below = standby("n2", { configuredUpstream: address("n3"), receiver: receiver("n3") });
    const decision = decide([
      primary({ senders: [sender("n3")], slots: [slot("n3")] }),
      below,
      above,
    ]);
    expect(outline(decision)).toEqual([
      "repoint n2 --to n1",
      "repoint n3 --to n2 --keep-mark",
      "checkpoint n1 n2",
      "demote n1 --to n2",
      "promote n2",
      "rejoin n1 --to n2",
      "repoint n3 --to n2",
      "drop-slot n1 --slot n3",
      "drop-slot n1 --slot n2; drop-slot n3 --slot n2",
    ]);
  });

  test("is refused where its end could not be seen: a stream takes the right to it, and a WAL sender", () => {
    const mute = primary({ lackingRights: ["REPLICATION"] });
    expect(outline(decide([mute, standby("n2")]))).toEqual(["refused: missing-right n1"]);
    const full = primary({ missingRights: ["a free WAL sender"], senders: [sender("n2")] });
    expect(outline(decide([full, standby("n2")]))).toEqual(["refused: too-few-wal-senders n1"]);
    // A sibling that is led away leaves its own.
    const both = { ...full, senders: [sender("n2"), sender("n3")] };
    expect(outline(decide([both, standby("n2"), standby("n3")]))).toHaveLength(7);
  });

  test("goes without a checkpoint that the role may not write, and says so", () => {
    const decision = decide([primary({ lackingRights: ["pg_checkpoint"] }), standby("n2")]);
    expect(outline(decision)).toContain("checkpoint n2");
    expect(decision.kind === "plan" && decision.plan.findings.map(({ code }) => code)).toEqual([
      "missing-right",
    ]);
  });

  test("to one on which commits would wait for fewer says so", () => {
    const settings = { synchronous_standby_names: setting("ANY 1 (n2, n3)") };
    const nodes = [primary({ settings }), standby("n2"), standby("n3")];
    const decision = decide(nodes, { fit: { strandedStandbys: false, blockedCommits: true } });
    expect(decision.kind === "plan" && decision.plan.findings).toMatchObject([
      { code: "commits-less-durable", severity: "warning", node: "n2" },
    ]);
  });

  describe("where somebody who streams from the primary does not answer", () => {
    const far = at.replace("1@", "");
    const heldUp = (row: Partial<WalSender>, n4?: Partial<UnreachedNode>, timeout = "60000") => {
      const senders = [sender("n2"), sender("n3"), sender("n4", { pid: 77, ...row })];
      const settings = { wal_sender_timeout: setting(timeout) };
      const nodes = [primary({ senders, settings }), standby("n2"), standby("n3")];
      const decision = decide([...nodes, ...(n4 ? [unreached({ name: "n4", ...n4 })] : [])]);
      const findings = decision.kind === "plan" ? decision.plan.findings : decision.findings;
      return findings
        .filter(({ code }) => code === "shutdown-held-up")
        .map(({ severity, message }) => `${severity}: ${message}`);
    };

    test("is refused, and the connection named, where that is seen", () => {
      expect(heldUp({ replyAgeMs: 12_000 }, { answer: "silent" })).toEqual([
        "problem: n4 does not answer, to which n1 streams (pid 77, last word 12 s ago): a shutdown of n1 would wait for it up to 48 s",
      ]);
      expect(heldUp({ replyAgeMs: 12_000 }, { answer: "silent" }, "0")).toEqual([
        expect.stringMatching(/^problem: .* for ever \(wal_sender_timeout = 0\)$/),
      ]);
      expect(heldUp({ replyAgeMs: 30_000, writeLsn: lsn(0x3000000n) })).toEqual([
        expect.stringMatching(/^problem: n4 from here does not answer/),
      ]);
    });

    test("is told where our network or a clock may be what is wrong, and else not", () => {
      const unanswered = [expect.stringMatching(/^warning: .* may not answer/)];
      expect(heldUp({ replyAgeMs: 3_000 }, { answer: "none" })).toEqual(unanswered);
      expect(heldUp({ replyAgeMs: 30_000, writeLsn: parseLsn(far) })).toEqual(unanswered);
      expect(heldUp({ replyAgeMs: 300_000, writeLsn: lsn(0x3000000n) })).toEqual([]);
      expect(heldUp({ replyAgeMs: 9_000, writeLsn: lsn(0x3000000n) })).toEqual([]);
      expect(heldUp({ replyAgeMs: 30 }, { answer: "refused" })).toEqual([]);
    });
  });

  test("is refused where nobody leads, two do, or the candidate could not", () => {
    const dead = unreached({ name: "n1", answer: "refused", speaksPostgres: false });
    expect(outline(decide([dead, standby("n2")]))).toEqual(["refused: no-primary "]);
    const second = reached({ name: "n3", at, role: "primary" });
    expect(outline(decide([primary(), standby("n2"), second]))).toEqual([
      "refused: several-primaries ",
    ]);
    expect(outline(decide([primary(), standby("n2", { promotable: false })]))).toEqual([
      "refused: not-promotable n2",
    ]);
    expect(outline(decide([primary({ senders: [] }), standby("n2", { receiver: null })]))).toEqual([
      "refused: not-streaming n2",
    ]);
    expect(outline(decide([primary(), standby("n2")], { to: "n1" }))).toEqual(["already"]);
  });
});

describe("one that was cut short", () => {
  const down = (changes: Partial<StoppedServer> = {}) =>
    unreached({
      name: "n1",
      hasControl: true,
      canBeDemoted: true,
      stopped: {
        standbySignal: true,
        demoted: { to: address("n2") },
        shutDownAt: { timeline: 1, lsn: lsn(0x4ffff00n) },
        ...changes,
      },
    });
  const told = { marks: { repointing: address("n2") } } as const;
  const orphans = [standby("n2", { receiver: null }), standby("n3", { receiver: null, ...told })];

  test("between shutdown and promotion goes on with the promotion", () => {
    const goesOn = [
      "promote n2",
      "rejoin n1 --to n2",
      "repoint n3 --to n2",
      "drop-slot n1 --slot n2; drop-slot n1 --slot n3",
    ];
    expect(outline(decide([down(), ...orphans]))).toEqual(goesOn);
    expect(outline(decide([down(), ...orphans], { to: null }))).toEqual(goesOn);
  });

  test("does not where anything may be missing", () => {
    const refused = ["refused: not-handed-over n2"];
    expect(outline(decide([down({ shutDownAt: null }), ...orphans]))).toEqual(refused);
    expect(outline(decide([down({ standbySignal: false }), ...orphans]))).toEqual(refused);
    const late = { shutDownAt: { timeline: 1, lsn: lsn(0x5000000n) } };
    expect(outline(decide([down(late), ...orphans]))).toEqual(refused);
    expect(outline(decide([down({ demoted: null }), ...orphans]))).toEqual([
      "refused: no-primary ",
    ]);
  });

  test("where the old primary came back as a standby with no more than the candidate has", () => {
    const back = (where: string) =>
      standby("n1", {
        at: where,
        receiver: null,
        hasControl: true,
        canBeDemoted: true,
        marks: { demoted: true, repointing: address("n2") },
      });
    expect(outline(decide([back(at), ...orphans]))[0]).toBe("promote n2");
    expect(outline(decide([back("1@0/6000000"), ...orphans]))).toEqual([
      "refused: not-handed-over n2",
    ]);
  });

  test("behind the promotion is finished, and nobody else is made the primary instead", () => {
    const led = reached({ name: "n2", at: "2@0/5000000", role: "primary" });
    const settles = ["rejoin n1 --to n2", "repoint n3 --to n2"];
    const nodes = [down(), led, orphans[1] ?? led];
    expect(outline(decide(nodes, { to: null })).slice(0, 2)).toEqual(settles);
    expect(outline(decide(nodes)).slice(0, 2)).toEqual(settles);
    expect(outline(planUndo(buildTopology("test", nodes)))).toEqual(["refused: promotion-done n2"]);
  });

  test("behind it a standby that was away comes to the new primary, and a cascade stays", () => {
    const led = reached({
      name: "n2",
      at: "2@0/5000000",
      role: "primary",
      senders: [sender("n1")],
    });
    const former = (slots: readonly Slot[]) =>
      standby("n1", {
        at: "2@0/5000000",
        configuredUpstream: address("n2"),
        receiver: receiver("n2"),
        slots,
      });
    const away = standby("n3", { receiver: null });
    const cascaded = slot("n3", { active: false, restartLsn: lsn(0x5000100n) });
    expect(outline(decide([former([]), led, away]))).toEqual(["repoint n3 --to n2"]);
    expect(outline(decide([former([cascaded]), led, away]))).toEqual(["repoint n3 --to n1"]);
  });

  test("behind it a cascade stays whose upstream was away while the lead changed", () => {
    const led = (...slots: readonly Slot[]) =>
      reached({
        name: "n2",
        at: "2@0/5000000",
        role: "primary",
        history: history(2, "1 0/5000000"),
        senders: [sender("n1")],
        slots,
      });
    const past = slot("n3", { active: false, restartLsn: lsn(0x4000000n) });
    const above = (changes: Parameters<typeof standby>[1] = {}) =>
      standby("n1", {
        at: "2@0/5000000",
        configuredUpstream: address("n2"),
        receiver: receiver("n2"),
        slots: [past],
        ...changes,
      });
    const away = standby("n3", { receiver: null });
    const firstOf = (...nodes: Parameters<typeof decide>[0]) => outline(decide(nodes))[0];
    expect(firstOf(above(), led(), away)).toBe("repoint n3 --to n1");
    // It has a place on the leader, or was below one that led.
    expect(firstOf(above(), led(slot("n3", { active: false })), away)).toBe("repoint n3 --to n2");
    const demoted = above({ marks: { demoted: true } });
    expect(firstOf(demoted, led(), away)).toBe("repoint n1 n3 --to n2");
  });

  test("behind it undo refuses for those that were led away before, and a left mark is cleared", () => {
    const led = reached({
      name: "n2",
      at: "2@0/5000100",
      role: "primary",
      history: history(2, "1 0/5000000"),
      senders: [sender("n1"), sender("n3")],
      slots: [slot("n3")],
    });
    const former = (changes: Parameters<typeof standby>[1]) =>
      standby("n1", {
        at: "2@0/5000100",
        configuredUpstream: address("n2"),
        receiver: receiver("n2"),
        ...changes,
      });
    const told = standby("n3", {
      at: "2@0/5000100",
      receiver: receiver("n2"),
      marks: { repointing: address("n2"), slotsAt: [{ address: address("n2"), node: "n2" }] },
    });
    const past = slot("n3", { active: false, restartLsn: lsn(0x5000000n) });
    const nodes = [former({ slots: [past] }), led, told];
    expect(outline(planUndo(buildTopology("test", nodes)))).toEqual(["refused: promotion-done n2"]);
    expect(outline(decide(nodes))).toEqual(["repoint n3 --to n2", "drop-slot n1 --slot n3"]);
    const marked = former({ marks: { demoted: true } });
    const settledSibling = standby("n3", {
      at: "2@0/5000100",
      configuredUpstream: address("n2"),
      receiver: receiver("n2"),
    });
    expect(outline(decide([marked, led, settledSibling]))).toEqual(["repoint n1 --to n2"]);
  });

  test("before the shutdown is taken back by starting anew or by undo", () => {
    const about = primary({ marks: { demoted: true, repointing: address("n2") } });
    const nodes = [about, standby("n2"), standby("n3")];
    expect(outline(decide(nodes))).toContain("demote n1 --to n2");
    expect(outline(planUndo(buildTopology("test", nodes)))).toEqual(["reinstate n1"]);
  });

  test("is taken back where nobody leads yet", () => {
    const waiting = "Timeout/RecoveryRetrieveRetryInterval";
    const nodes = [down(), ...orphans].map((node) =>
      node.reachable ? { ...node, promoteSignal: false, startupWait: waiting } : node,
    );
    const [first = ""] = outline(planUndo(buildTopology("test", nodes)));
    expect(first).toBe("reinstate n1");
  });

  test("with a fence is opened again by undo, unless another leads", () => {
    const fenced = primary({ marks: { fenced: true } });
    const alone = buildTopology("test", [fenced, standby("n2"), standby("n3")]);
    expect(outline(planUndo(alone))).toEqual(["unfence n1"]);
    const led = reached({ name: "n2", at: "2@0/5000000", role: "primary" });
    expect(outline(planUndo(buildTopology("test", [fenced, led])))).toEqual([
      "refused: another-leads n1",
    ]);
    expect(outline(decide([fenced, led]))).toEqual(["unfence n2 --of n1"]);
  });
});

describe("what a switchover would cost", () => {
  test("is said before it begins", () => {
    const transaction = {
      pid: 42,
      user: "bi",
      database: "dw",
      applicationName: "psql",
      clientAddress: null,
      transactionAgeMs: 90_000,
      mayEnd: true,
    };
    const survey = { ...nobody, sessions: [transaction] };
    const decision = decide([primary(), standby("n2")], { survey });
    expect(
      decision.kind === "plan" && decision.plan.findings.map(({ message }) => message),
    ).toEqual([expect.stringContaining("the oldest 90 s old (pid 42 of bi in dw)")]);
  });

  test("synchronous standbys that would be taken from a living primary", () => {
    const rows = [sender("n2", { syncState: "sync" }), sender("n3", { syncState: "sync" })];
    const settings = { synchronous_standby_names: setting("2 (n2, n3)") };
    const nodes = [primary({ senders: rows, settings }), standby("n2"), standby("n3")];
    expect(outline(decide(nodes))).toEqual(["refused: commits-would-block n1"]);
  });
});

describe("a fence", () => {
  const request = { node: "n1", spare: [], to: null, confirmed: [] };

  test("is refused where a writer would be left", () => {
    const session = {
      pid: 42,
      user: "root",
      database: "shop",
      applicationName: "",
      clientAddress: null,
      transactionAgeMs: null,
      mayEnd: false,
    };
    const survey = {
      ...nobody,
      isSuperuser: false,
      sessions: [session],
      overrides: [{ role: "etl", database: null, value: "off" }],
      subscriptions: [{ database: "shop", name: "orders" }],
    };
    const nodes = buildTopology("test", [primary(), standby("n2")]);
    expect(outline(planFence(nodes, { ...request, survey }))).toEqual([
      "refused: sessions-remain n1",
      "refused: override-out-of-reach n1",
      "refused: override-out-of-reach n1",
    ]);
    const transaction = { gid: "t1", database: "shop", ageMs: 5 };
    const told = planFence(nodes, {
      ...request,
      survey: { ...nobody, preparedTransactions: [transaction] },
    });
    expect(told.kind === "plan" && told.plan.findings.map(({ code }) => code)).toEqual([
      "prepared-transactions",
    ]);
  });

  test("is not taken away beside another primary", () => {
    const marks = { fenced: true };
    const fenced = primary({ marks });
    const alone = buildTopology("test", [fenced, standby("n2")]);
    expect(outline(planUnfence(alone, { node: "n1", of: null }))).toEqual(["unfence n1"]);
    const led = reached({ name: "n2", at: "2@0/5000000", role: "primary" });
    const nodes = buildTopology("test", [fenced, led]);
    expect(outline(planUnfence(nodes, { node: "n1", of: null }))).toEqual([
      "refused: another-leads n1",
    ]);
    expect(outline(planUnfence(nodes, { node: "n2", of: "n1" }))).toEqual(["unfence n2 --of n1"]);
  });
});
