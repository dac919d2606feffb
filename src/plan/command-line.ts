// Each step is a subcommand: the very command line that does a step or a stage. What a dry run shows and what a script
// types come from here, so they cannot differ from each other.

import { formatPosition } from "../wal/position.ts";
import type { Stage } from "./plan.ts";
import type { Step } from "./step.ts";

/** `remaster repoint n3 --to n2`. */
export function stepCommandLine(step: Step): string {
  return commandLine(step, [step.node]);
}

/** One command line for all nodes of a stage where the verb takes several; else one per step, joined by `; `. */
export function stageCommandLine(stage: Stage): string {
  return commandLinesOf(stage.steps.map((planned) => planned.step)).join("; ");
}

/** A word as a POSIX shell reads it back. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Steps that differ in their node alone share a command line, where the verb takes several. */
export function commandLinesOf(steps: readonly Step[]): readonly string[] {
  const groups = new Map<string, { readonly step: Step; readonly nodes: string[] }>();
  for (const step of steps) {
    const key = takesSeveralNodes(step) ? commandLine(step, []) : stepCommandLine(step);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { step, nodes: [step.node] });
    else group.nodes.push(step.node);
  }
  return [...groups.values()].map(({ step, nodes }) => commandLine(step, nodes));
}

function takesSeveralNodes(step: Step): boolean {
  switch (step.verb) {
    case "quiesce":
    case "unquiesce":
    case "repoint":
    case "stop":
    case "checkpoint":
      return true;
    case "exchange":
    case "promote":
    case "fence":
    case "unfence":
    case "close":
    case "make-slots":
    case "demote":
    case "reinstate":
    case "rejoin":
    case "heal":
    case "drop-slot":
    case "slot-sync":
    case "slot-settings":
    case "slot-failover":
    case "keep-slots":
    case "pause":
    case "resume":
    case "hook":
      return false;
  }
}

function commandLine(step: Step, nodes: readonly string[]): string {
  return ["remaster", step.verb, ...stepArguments(step, nodes), ...stepOptions(step)]
    .map(quoteWord)
    .join(" ");
}

function stepArguments(step: Step, nodes: readonly string[]): readonly string[] {
  if (step.verb === "exchange" || step.verb === "slot-sync") return [];
  return step.verb === "hook" ? [step.hook] : nodes;
}

const untilOptions = { set: ["--no-wait"], stream: ["--keep-mark"], follow: [] } as const;

function stepOptions(step: Step): readonly string[] {
  switch (step.verb) {
    case "quiesce":
      return step.cancelQueries ? ["--cancel-queries"] : [];
    case "exchange":
      return ["--to", step.node, ...(step.from === null ? [] : ["--from", step.from])];
    case "promote":
      return [
        ...(step.require === null ? [] : ["--require", formatPosition(step.require)]),
        ...(step.acceptDataLoss === true ? ["--accept-data-loss"] : []),
        ...(step.closed === true ? ["--closed"] : []),
      ];
    case "repoint":
      return ["--to", step.to, ...untilOptions[step.until]];
    case "demote":
    case "heal":
      return ["--to", step.to];
    case "rejoin":
      return ["--to", step.to, ...(step.acceptDataLoss === true ? ["--accept-data-loss"] : [])];
    case "drop-slot":
    case "slot-failover":
      return ["--slot", step.slot];
    case "slot-settings":
      return [
        ...(step.feedback === true ? ["--feedback"] : []),
        ...(step.slot === undefined ? [] : ["--slot", step.slot]),
        ...(step.dbname === undefined ? [] : ["--dbname", step.dbname]),
        ...(step.synchronized === undefined ? [] : ["--synchronized", step.synchronized.join(",")]),
      ];
    case "slot-sync":
      return [
        ...["--standby", step.node, "--slot", step.slots.join(",")],
        ...(step.allowRestart === true ? ["--allow-restart"] : []),
      ];
    case "fence":
      return [
        ...(step.spare.length === 0 ? [] : ["--spare", step.spare.join(",")]),
        ...(step.to === undefined ? [] : ["--to", step.to]),
        ...(step.confirmed === undefined ? [] : ["--confirmed", step.confirmed.join(",")]),
      ];
    case "close":
      return ["--of", step.of, "--slot", step.slots.join(",")];
    case "unfence":
      return step.of === undefined ? [] : ["--of", step.of];
    case "resume":
      return [
        ...(step.to === undefined ? [] : ["--to", step.to]),
        ...(step.from === undefined ? [] : ["--from", step.from]),
      ];
    case "hook":
      return [
        ...["--for", step.of],
        ...(step.from === null ? [] : ["--from", step.from]),
        ...["--to", step.node],
        ...(step.outcome === undefined ? [] : ["--outcome", step.outcome]),
      ];
    case "unquiesce":
    case "make-slots":
    case "checkpoint":
    case "reinstate":
    case "stop":
    case "keep-slots":
    case "pause":
      return [];
  }
}
