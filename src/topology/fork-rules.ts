// What is said of forks: the lines with their ends and where they parted, and who left the line that was accepted.

import { formatPosition } from "../wal/position.ts";
import type { Finding } from "./finding.ts";
import { type Branch, choicesIn, findUndecidedFork, type Fork } from "./fork.ts";
import { reachedNode, type Structure } from "./structure.ts";

function describeBranch({ tip, followers }: Branch): string {
  const at = tip.received === null ? "an unknown position" : formatPosition(tip.received);
  const leads = tip.role === "primary" ? " and leads" : "";
  const beside = followers.length === 0 ? "" : ` (with ${followers.join(", ")})`;
  return `${tip.name} is at ${at}${leads}${beside}`;
}

/** Both lines, with what they hold and where they parted. */
export function describeFork({ branches, switchpoint }: Fork): string {
  const parted =
    switchpoint === null ? "" : `; they went different ways at ${formatPosition(switchpoint)}`;
  return `${branches.map(describeBranch).join(", ")}${parted}`;
}

/** What the operator can do about it. */
export function hintOn(structure: Structure, fork: Fork): string {
  const choices = choicesIn(structure, fork).map((choice) => `--accept-timeline ${choice}`);
  const stop = "stop the one that must not lead";
  if (choices.length === 0) return stop;
  const choose = `name the line to keep: ${choices.join(" or ")}`;
  return fork.leaders.length > 1 ? `${stop}, or ${choose}` : choose;
}

/** Several primaries are a finding of their own. */
export function forkedTimelines(structure: Structure): readonly Finding[] {
  const fork = findUndecidedFork(structure);
  if (fork === null || fork.leaders.length > 1) return [];
  return [
    {
      code: "timeline-fork",
      severity: "problem",
      message: `nothing says whose line is the cluster's: ${describeFork(fork)}`,
      hint: hintOn(structure, fork),
    },
  ];
}

/** An operator who names a line should see what is given up with it. */
export function strayNodes(structure: Structure): readonly Finding[] {
  const { accepted } = structure;
  return structure.strays.flatMap((name) => {
    const node = reachedNode(structure, name);
    if (accepted === null || node?.received == null) return [];
    return [
      {
        code: "off-accepted-line",
        severity: "warning",
        node: name,
        message: `${name} is at ${formatPosition(node.received)}, off the line of timeline ${accepted.timeline}`,
        hint:
          node.role === "primary"
            ? `stop ${name}; it needs pg_rewind or a new base backup to follow`
            : `${name} needs pg_rewind or a new base backup to follow`,
      },
    ];
  });
}
