// Measuring: a command's time from outside, medians, and ratios against a floor of the same run.

import { spawn } from "node:child_process";

export interface Ratio {
  readonly what: string;
  /** Milliseconds, medians. */
  readonly floor: number;
  readonly measured: number;
  /** Null: only shown. */
  readonly limit: number | null;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Runs a command to its end; milliseconds. Throws on any exit status but those allowed. */
export function timeCommand(
  command: readonly string[],
  allowed: readonly number[] = [0],
): Promise<number> {
  const [program = "", ...rest] = command;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("error", reject);
    child.on("exit", (status) => {
      const ms = performance.now() - began;
      if (status !== null && allowed.includes(status)) resolve(ms);
      else reject(new Error(`${command.join(" ")} ended with ${String(status)}\n${errors}`));
    });
  });
}

/** Two things measured turn about, so that a busy moment of the machine meets both. */
export async function alternate(
  runs: number,
  floor: () => Promise<number>,
  measured: () => Promise<number>,
): Promise<{ readonly floor: number; readonly measured: number }> {
  const floors: number[] = [];
  const measures: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    floors.push(await floor());
    measures.push(await measured());
  }
  return { floor: median(floors), measured: median(measures) };
}

export function show({ what, floor, measured, limit }: Ratio): string {
  const ratio = measured / floor;
  const verdict =
    limit === null ? "" : ` (${ratio <= limit ? "within" : "OVER"} ${limit.toFixed(2)})`;
  return `${what}: ${measured.toFixed(1)} ms, floor ${floor.toFixed(1)} ms, ratio ${ratio.toFixed(2)}${verdict}`;
}
