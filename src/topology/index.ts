// The public entry of `pg-remaster/topology`: the write-ahead log's values and what a set of observations means.
// Everything here is pure and synchronous: no clock, no environment, no I/O. How observations come about is not here.

export type { Address, Conninfo } from "../conninfo/conninfo.ts";
export { compareLsn, formatLsn, type Lsn, lsn, maxLsn, parseLsn } from "../wal/lsn.ts";
export {
  type Comparison,
  compareHeld,
  comparePositions,
  formatPosition,
  type Held,
  type Position,
  parsePosition,
  type Relation,
} from "../wal/position.ts";
export {
  defaultSegmentSize,
  formatSegmentName,
  isSegmentBoundary,
  parseSegmentName,
  parseSegmentSize,
  type Segment,
  segmentStart,
} from "../wal/segment.ts";
export {
  type Fork,
  findFork,
  parseTimelineHistory,
  parseTimelineId,
  type TimelineEntry,
  type TimelineHistories,
  type TimelineHistory,
  type TimelineId,
} from "../wal/timeline.ts";
export { type AcceptedLine, type AcceptedTimeline, parseAcceptedTimeline } from "./accepted.ts";
export {
  type RankedNode,
  type Ranking,
  type RankingOptions,
  rankCandidates,
} from "./candidates.ts";
export {
  confirmingSenders,
  parseSynchronousStandbyNames,
  type SynchronousStandbys,
} from "./durability.ts";
export { type Finding, type FindingCode, findingCatalogue, type Severity } from "./finding.ts";
export type {
  Answer,
  BlockingSession,
  ClusterConfig,
  Control,
  Marks,
  NodeConfig,
  Observation,
  ReachedNode,
  ReplayState,
  Setting,
  SettingName,
  Slot,
  UnreachedNode,
  WalReceiver,
  WalSender,
} from "./node.ts";
export type { Edge, Structure } from "./structure.ts";
export {
  buildTopology,
  directDownstreamsOf,
  downstreamsOf,
  findNodeAt,
  type Topology,
  type TopologyOptions,
  upstreamChain,
} from "./topology.ts";
