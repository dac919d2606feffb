// What a report tells an operator to type on a server's machine, typed there: by a shell, as the owner of its files, with
// the server's programs on the PATH.

import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import type { TestCluster, TestServer } from "./cluster.ts";

/** Runs the commands, up to the first one of remaster itself, which is for the operator's own machine. */
export function typeCommands(cluster: TestCluster, server: TestServer, commands: string): void {
  const there = commands.split(" && remaster ")[0] ?? "";
  const node = cluster.config.nodes.find(({ name }) => name === server.name);
  const bindir = node?.control?.pgCtl?.bindir ?? "";
  const { uid, gid } = statSync(server.dataDir);
  const { status, stderr } = spawnSync("/bin/sh", ["-c", there], {
    cwd: "/",
    env: { PATH: `${bindir}:${process.env["PATH"] ?? ""}` },
    stdio: ["ignore", "ignore", "pipe"],
    uid,
    gid,
    encoding: "utf8",
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${there}: ${stderr}`);
}
