// What a failover promises about acknowledged commits, for people: the promise on a line, then on what it rests.

import type { Guarantee } from "../plan/guarantee.ts";
import { mayLose } from "../plan/loss.ts";
import { fold, type Line, line, span, type Style } from "./line.ts";
import type { Look } from "./look.ts";

export function renderGuarantee(guarantee: Guarantee, look: Look): readonly Line[] {
  const { text, style } = promiseOf(guarantee);
  const indent = "  ";
  return [
    line(span(text, style)),
    ...fold(guarantee.basis, look.columns - indent.length).map((each) =>
      line(indent, span(each, "faint")),
    ),
  ];
}

function promiseOf(guarantee: Guarantee): {
  readonly text: string;
  readonly style: Style;
} {
  if (guarantee.kind === "proven") {
    return { text: "guarantee: no acknowledged commit can be missing", style: "good" };
  }
  if (!mayLose(guarantee)) {
    const text =
      "guarantee: all that any standby on its line has; what only the old primary had is lost";
    return { text, style: "plain" };
  }
  return { text: "no guarantee: acknowledged commits may be lost", style: "bad" };
}
