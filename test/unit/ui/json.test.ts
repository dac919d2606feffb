import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { reportJson } from "../../../src/ui/json.ts";
import { contract, reportSchema } from "./report-schema.ts";
import { reports } from "./reports.ts";

const every = Object.entries(reports);

describe("every report", () => {
  test.each(every)("%s keeps the contract, as text and back", (_, report) => {
    const parsed: unknown = JSON.parse(JSON.stringify(reportJson(report)));
    reportSchema.parse(parsed);
  });

  test("extra fields of a verb stand beside the others", () => {
    const json = reportJson({ ...reports.status, extra: { verdict: { lost: 0 } } });
    expect(json).toMatchObject({ command: "status", verdict: { lost: 0 } });
  });

  test("extra fields cannot replace those of the contract", () => {
    expect(reportJson({ ...reports.status, extra: { outcome: "undone" } })).toMatchObject({
      outcome: "done",
    });
  });
});

test("a node that cannot be reached has every key, and null where nothing is known", () => {
  const { nodes } = reportJson(reports.troubledStatus)["topology"] as {
    nodes: readonly Record<string, unknown>[];
  };
  const [reachedNode, , , unreachedNode] = nodes;
  expect(Object.keys(unreachedNode ?? {}).toSorted()).toEqual(
    Object.keys(reachedNode ?? {}).toSorted(),
  );
  expect(unreachedNode).toMatchInlineSnapshot(`
    {
      "answer": "error",
      "currentLsn": null,
      "demoted": null,
      "diverged": null,
      "fenced": null,
      "lagBytes": null,
      "lagSeconds": null,
      "missingRights": null,
      "name": "n4",
      "observedAt": "2023-11-14T22:13:20.000Z",
      "position": null,
      "priority": 0,
      "promotable": true,
      "quiesced": null,
      "reachable": false,
      "reason": "connection refused",
      "receiveLsn": null,
      "recoverySignal": null,
      "replay": null,
      "replayLsn": null,
      "repointing": null,
      "role": "unknown",
      "slots": [],
      "speaksPostgres": true,
      "sqlstate": "57P03",
      "standbySignal": null,
      "streaming": null,
      "systemIdentifier": null,
      "timeline": null,
      "upstream": null,
      "upstreamAddress": null,
      "version": null,
    }
  `);
});

test("a standby behind its primary, in full", () => {
  const { nodes } = reportJson(reports.troubledStatus)["topology"] as {
    nodes: readonly Record<string, unknown>[];
  };
  expect(nodes[1]).toMatchInlineSnapshot(`
    {
      "answer": "ok",
      "currentLsn": null,
      "demoted": false,
      "diverged": false,
      "fenced": false,
      "lagBytes": "16777216",
      "lagSeconds": 1.5,
      "missingRights": [],
      "name": "n2",
      "observedAt": "2023-11-14T22:13:20.000Z",
      "position": "2@1/4000060",
      "priority": 0,
      "promotable": true,
      "quiesced": false,
      "reachable": true,
      "reason": null,
      "receiveLsn": "1/4000060",
      "recoverySignal": false,
      "replay": "paused",
      "replayLsn": "1/4000060",
      "repointing": null,
      "role": "standby",
      "slots": [],
      "speaksPostgres": true,
      "sqlstate": null,
      "standbySignal": true,
      "streaming": true,
      "systemIdentifier": "7500000000000000001",
      "timeline": 2,
      "upstream": "n1",
      "upstreamAddress": "n1:5432",
      "version": "17.10",
    }
  `);
});

test("a plan carries the command line of each stage and step, and of its undo", () => {
  expect(reportJson(reports.dryRun)["plan"]).toMatchObject({
    observedAt: "2023-11-14T22:13:20.000Z",
    pointOfNoReturn: 2,
    stages: [
      {
        commandLine: "remaster quiesce n2 n3 n4",
        steps: [
          { commandLine: "remaster quiesce n2", required: true, undo: "remaster unquiesce n2" },
          { required: false },
          { required: false },
        ],
      },
      { commandLine: "remaster exchange --to n2", steps: [{ undo: null }] },
      { commandLine: "remaster promote n2" },
      { commandLine: "remaster repoint n3 n4 --to n2" },
    ],
  });
});

describe("docs/json.md", () => {
  const page = readFileSync(new URL("../../../docs/json.md", import.meta.url), "utf8");

  test.each(Object.entries(contract))("tells every field of a %s", (name, schema) => {
    const section = page.split(`\n### ${name}\n`)[1]?.split("\n### ")[0] ?? "";
    const told = [...section.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
    expect(told).toEqual(Object.keys((schema as z.ZodObject).shape));
  });
});
