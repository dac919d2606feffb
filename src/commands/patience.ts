// --patience: how old a standby's last message from its upstream must be before it counts as silence.

import { UsageError } from "../errors.ts";
import { type Input, optionText, type ValueOption } from "./define.ts";
import { durationMs } from "./values.ts";

export const patienceOption: ValueOption = {
  flag: "patience",
  type: "value",
  placeholder: "DURATION",
  kind: "duration",
  default: "2s",
  summary: "a standby's last message from its upstream must be older than this",
};

/** Milliseconds. */
export function patienceMs(input: Input): number {
  const text = optionText(input, "patience") ?? "2s";
  const ms = durationMs(text);
  if (ms === null) throw new UsageError(`no duration: ${text}`, "write 500ms, 2s or 1m");
  return ms;
}
