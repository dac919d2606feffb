// A plan as its script, run as an operator would run it. The test goes on meanwhile: clients of its own may be at work.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import type { Operator } from "./cli.ts";
import type { TestCluster } from "./cluster.ts";
import { entryPoint } from "./program.ts";

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Prints the script of a command line, saves it and runs it with `remaster` in the PATH. */
export async function runScript(
  cluster: TestCluster,
  operator: Operator,
  words: readonly string[],
): Promise<Ran> {
  const printed = await operator.run([...words, "--script"]);
  expect([printed.status, printed.stderr]).toEqual([0, ""]);
  const bin = join(cluster.directory, "bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(entryPoint, join(bin, "remaster"));
  const file = join(cluster.directory, "the plan.sh");
  writeFileSync(file, printed.stdout);
  const child = spawn("sh", [file], {
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, HOME: "/nonexistent", ...operator.env },
  });
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: await stdout, stderr: await stderr };
}
