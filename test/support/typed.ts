// The program on a terminal, with somebody at it who types answers.

import { spawn } from "node:child_process";
import type { Operator } from "./cli.ts";
import { entryPoint } from "./program.ts";

/** Runs a command line on a terminal, and types an answer at each question. */
export async function typed(
  operator: Operator,
  words: readonly string[],
  answers: readonly {
    readonly at: string;
    readonly text: string;
    /** What happens while the question is open. */
    readonly meanwhile?: () => Promise<unknown>;
  }[],
): Promise<{ readonly status: number | null; readonly screen: string }> {
  const command = [process.execPath, entryPoint, ...words, "--config", operator.config].join(" ");
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", TERM: "xterm", ...operator.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let screen = "";
  const left = [...answers];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    screen += chunk;
    const [next] = left;
    if (next === undefined || !screen.includes(next.at)) return;
    left.shift();
    void (next.meanwhile?.() ?? Promise.resolve()).finally(() => {
      child.stdin.write(`${next.text}\r`);
    });
  });
  return new Promise((resolve) => {
    child.on("close", (status) => {
      resolve({ status, screen });
    });
  });
}
