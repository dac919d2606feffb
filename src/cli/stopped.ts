// Looks into the data directories of nodes that do not let us in, where the topology file says where they are: a primary that
// an interrupted switchover has shut down is told of by its own files.

import { readMarks } from "../conninfo/override.ts";
import type { StoppedFiles } from "../host/stopped.ts";
import type { ClusterConfig, Observation, StoppedServer } from "../topology/node.ts";
import { lsn } from "../wal/lsn.ts";

export async function withStopped(
  seen: readonly Observation[],
  { nodes }: ClusterConfig,
): Promise<readonly Observation[]> {
  return Promise.all(
    seen.map(async (node) => {
      const pgCtl = nodes.find(({ name }) => name === node.name)?.control?.pgCtl ?? null;
      if (node.reachable || node.speaksPostgres || pgCtl === null) return node;
      const { readStopped } = await import("../host/stopped.ts");
      const files = await readStopped(pgCtl.data);
      return files === null ? node : { ...node, stopped: stoppedServer(files) };
    }),
  );
}

function stoppedServer({ standbySignal, settings, end }: StoppedFiles): StoppedServer {
  const { repointing } = readMarks(settings.get("primary_conninfo") ?? "");
  const isDemoted = (settings.get("remaster.demoted") ?? "") !== "";
  return {
    standbySignal,
    demoted: isDemoted ? { to: repointing } : null,
    shutDownAt:
      end?.state === "shut down"
        ? { timeline: end.checkpoint.timeline, lsn: lsn(end.checkpoint.lsn) }
        : null,
  };
}
