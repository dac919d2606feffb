// Holds an operator up where he starts a server that he has stopped: a pg_ctl of ours is in the place of the nodes' own, tells that
// it was asked to start one, and does so once it may, or never where the operator is gone.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { changedConfig } from "./cli.ts";
import type { TestCluster } from "./cluster.ts";

export interface HeldStarts {
  /** The topology file with that pg_ctl. */
  readonly config: string;
  /** The nodes whose start was asked for. */
  reached(): readonly string[];
  /** Waits for the first of them. */
  first(): Promise<string>;
  /** The starts go on. */
  letGo(): void;
}

export function holdStarts(cluster: TestCluster, ...nodes: readonly string[]): HeldStarts {
  const bindir = join(cluster.directory, "bin");
  const go = join(bindir, "go");
  mkdirSync(bindir, { mode: 0o755 });
  const config = changedConfig(cluster, "held", (text) => {
    const [, own = ""] = /bindir = "([^"]*)"/.exec(text) ?? [];
    const script = [
      "#!/bin/sh",
      'for word; do [ "$last" = -D ] && data=$word; last=$word; done',
      'case " $* " in *" start "*)',
      `  : > "$data/reached"; until [ -e ${go} ]; do [ -d /proc/$PPID ] || exit 1; sleep 0.05; done;;`,
      "esac",
      `exec ${own}/pg_ctl "$@"`,
    ];
    writeFileSync(join(bindir, "pg_ctl"), `${script.join("\n")}\n`, { mode: 0o755 });
    return nodes.reduce((before, node) => {
      const [table = ""] = new RegExp(`\\[nodes\\.${node}\\][^[]*`).exec(before) ?? [];
      return before.replace(table, table.replace(own, bindir));
    }, text);
  });
  const reached = (): readonly string[] =>
    nodes.filter((node) => existsSync(join(cluster.server(node).dataDir, "reached")));
  return {
    config,
    reached,
    first: async () => {
      await expect.poll(reached, { timeout: 30_000, interval: 20 }).not.toEqual([]);
      return reached()[0] ?? "";
    },
    letGo: () => {
      writeFileSync(go, "", { mode: 0o644 });
    },
  };
}
