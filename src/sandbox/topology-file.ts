// The sandbox's topology file: as a value, and as the remaster.toml that every verb reads. No password is in it.

import type { ClusterConfig } from "../topology/node.ts";
import { layoutOf, operatorRole } from "./layout.ts";
import { conninfoOf } from "./operator.ts";
import type { SandboxState } from "./state.ts";

/** The topology file as a value. */
export function configOf(state: SandboxState): ClusterConfig {
  const layout = layoutOf(state.directory);
  return {
    name: "sandbox",
    file: layout.config,
    nodes: state.nodes.map((node) => ({
      name: node.name,
      conninfo: conninfoOf(state, node),
      promotable: node.promotable,
      priority: 0,
      replication: { host: "127.0.0.1", hostaddr: null, port: node.port },
      control: {
        start: null,
        stop: null,
        pgCtl: { bindir: state.bindir, data: layout.dataDir(node.name) },
      },
    })),
  };
}

/** The topology file as text. A JSON string is a TOML basic string. */
export function configText(state: SandboxState): string {
  const layout = layoutOf(state.directory);
  const quote = (value: string) => JSON.stringify(value);
  const nodes = state.nodes.flatMap((node) => [
    "",
    `[nodes.${node.name}]`,
    `dsn = ${quote(`host=127.0.0.1 port=${node.port}`)}`,
    ...(node.promotable ? [] : ["promotable = false"]),
    `control.pg_ctl = { bindir = ${quote(state.bindir)}, data = ${quote(layout.dataDir(node.name))} }`,
  ]);
  return [
    `cluster = "sandbox"`,
    "",
    "[connect]",
    `user = ${quote(operatorRole)}`,
    `dbname = "postgres"`,
    `passfile = ${quote(layout.passfile)}`,
    "connect_timeout = 2",
    `sslmode = "disable"`,
    ...nodes,
    "",
  ].join("\n");
}
