import { expect, test } from "vitest";
import * as program from "../../../src/index.ts";
import * as topology from "../../../src/topology/index.ts";

test("the library's entry exports these values: taking one away breaks its users", () => {
  expect(Object.keys(topology).toSorted()).toEqual([
    "buildTopology",
    "compareHeld",
    "compareLsn",
    "comparePositions",
    "confirmingSenders",
    "defaultSegmentSize",
    "directDownstreamsOf",
    "downstreamsOf",
    "findFork",
    "findNodeAt",
    "findingCatalogue",
    "formatLsn",
    "formatPosition",
    "formatSegmentName",
    "isSegmentBoundary",
    "lsn",
    "maxLsn",
    "parseAcceptedTimeline",
    "parseLsn",
    "parsePosition",
    "parseSegmentName",
    "parseSegmentSize",
    "parseSynchronousStandbyNames",
    "parseTimelineHistory",
    "parseTimelineId",
    "rankCandidates",
    "segmentStart",
    "upstreamChain",
  ]);
});

test("the program's entry has the library and the exit table", () => {
  expect(Object.keys(program)).toEqual(expect.arrayContaining(Object.keys(topology)));
  expect(program.exitTable).toMatchObject({ done: 0, refused: 5, incomplete: 8, bug: 70 });
});
