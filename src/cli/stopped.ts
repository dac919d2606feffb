// Looks into the data directories of nodes that do not let us in, where the topology file says where they are: a primary that
// an interrupted switchover has shut down is told of by its own files.

import { readMarks } from "../conninfo/override.ts";
import type { StoppedFiles } from "../host/stopped.ts";
import { quoteWord } from "../plan/command-line.ts";
import type { ClusterConfig, Control, Observation, StoppedServer } from "../topology/node.ts";
import { readControlFile } from "../wal/control-file.ts";

export async function withStopped(
  seen: readonly Observation[],
  { nodes }: ClusterConfig,
): Promise<readonly Observation[]> {
  return Promise.all(
    seen.map(async (node) => {
      const control = nodes.find(({ name }) => name === node.name)?.control ?? null;
      const pgCtl = control?.pgCtl ?? null;
      if (node.reachable) return node;
      // It starts, or shuts down.
      if (node.sqlstate === "57P03") return { ...node, changing: true };
      if (node.speaksPostgres || pgCtl === null) return node;
      const { readStopped } = await import("../host/stopped.ts");
      const files = await readStopped(pgCtl.data);
      // Nobody listens, and a process is there.
      if (files === "running")
        return node.answer === "refused" ? { ...node, changing: true } : node;
      if (files === null) return node;
      // A command of the operator's own is not shown: it may hold a secret.
      const start = control?.start == null ? { start: startByPgCtl(pgCtl) } : {};
      return { ...node, stopped: { ...stoppedServer(files), ...start } };
    }),
  );
}

function startByPgCtl({ bindir, data }: NonNullable<Control["pgCtl"]>): string {
  return `${quoteWord(`${bindir}/pg_ctl`)} -D ${quoteWord(data)} start`;
}

function stoppedServer({ standbySignal, settings, control }: StoppedFiles): StoppedServer {
  const { repointing } = readMarks(settings.get("primary_conninfo") ?? "");
  const isDemoted = (settings.get("remaster.demoted") ?? "") !== "";
  const end = readControlFile(control);
  const wasPrimary = typeof end !== "string" && end.clean && !end.standby;
  return {
    standbySignal,
    demoted: isDemoted ? { to: repointing } : null,
    shutDownAt: wasPrimary ? { timeline: end.timeline, lsn: end.checkpoint } : null,
  };
}
