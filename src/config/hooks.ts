// The [hooks] table of the topology file: a command each, as text or as a table with its time limit. Refuses unknown keys,
// empty commands and limits that are none.

import { durationMs } from "../topology/duration.ts";
import { type Hook, hookNames, type Hooks } from "../topology/hooks.ts";
import { complaint, pathOf, rejectUnknown, type Table, tableAt, textAt, wordAt } from "./table.ts";

/** What a hook may take where the file does not say it. */
const defaultMs = 10_000;

export function readHooks(table: Table | null): Hooks | null {
  if (table === null) return null;
  rejectUnknown(table, hookNames);
  const given = hookNames.filter((name) => table.values[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, readHook(table, name)]));
}

function readHook(table: Table, name: string): Hook {
  if (typeof table.values[name] === "string") {
    return { command: commandAt(table, name), timeoutMs: defaultMs };
  }
  const own = tableAt(table, name);
  if (own === null) throw new Error(`no ${name} in the table`);
  rejectUnknown(own, ["command", "timeout"]);
  return { command: commandAt(own, "command"), timeoutMs: timeoutAt(own) };
}

function commandAt(table: Table, key: string): string {
  const command = textAt(table, key);
  if (command === null) throw complaint(table, `${pathOf(table, key)} is missing`);
  if (command.trim() === "") throw complaint(table, `${pathOf(table, key)} is empty`);
  return command;
}

function timeoutAt(table: Table): number {
  if (table.values["timeout"] === undefined) return defaultMs;
  const ms = durationMs(wordAt(table, "timeout"));
  if (ms !== null && ms > 0) return ms;
  throw complaint(
    table,
    `${pathOf(table, "timeout")} is no time limit`,
    "write 500ms, 10s, 2m, or seconds as a bare number; more than nothing",
  );
}
