// A plan for people: its stages in order, each with its reason and the very command line that does it.

import { stepCommandLine } from "../plan/command-line.ts";
import { outlineOf, type PlanOutline } from "../plan/history.ts";
import type { Plan } from "../plan/plan.ts";
import { renderGuarantee } from "./guarantee.ts";
import { fold, type Line, line, span } from "./line.ts";
import type { Look } from "./look.ts";

type Stage = PlanOutline["stages"][number];

export function renderPlan(plan: Plan, look: Look): readonly Line[] {
  return [
    ...renderOutline(outlineOf(plan), look),
    ...failureLines(plan),
    ...(plan.guarantee === undefined ? [] : [line(), ...renderGuarantee(plan.guarantee, look)]),
  ];
}

function failureLines({ onFailure }: Plan): readonly Line[] {
  if (onFailure === undefined) return [];
  return [line(span("where it fails: ", "faint"), stepCommandLine(onFailure))];
}

export function renderOutline(plan: PlanOutline, look: Look): readonly Line[] {
  const digits = String(plan.stages.length).length;
  const count = plan.stages.length === 1 ? "1 stage" : `${plan.stages.length} stages`;
  return [
    line(span(`plan of ${plan.verb}`, "strong"), `, ${count}`),
    ...plan.stages.flatMap((stage, index) => [
      ...(index === plan.pointOfNoReturn ? [edgeLine(look)] : []),
      ...stageLines(stage, { number: String(index + 1).padStart(digits), look }),
    ]),
  ];
}

function edgeLine(look: Look): Line {
  const rule = look.utf8 ? "──" : "--";
  return line(span(`${rule} from here on nothing can be taken back ${rule}`, "warning"));
}

function stageLines(
  stage: Stage,
  place: { readonly number: string; readonly look: Look },
): readonly Line[] {
  const indent = " ".repeat(place.number.length + 2);
  const width = place.look.columns - indent.length;
  const reason = [stage.reason, bestEffort(stage)].filter((part) => part !== "").join("; ");
  return [
    line(`${place.number}  `, span(stage.commandLine, "strong")),
    ...fold(reason, width).map((text) => line(indent, span(text, "faint"))),
  ];
}

/** Whom the run can do without. */
function bestEffort(stage: Stage): string {
  const optional = stage.steps.filter(({ required }) => !required);
  if (optional.length === 0) return "";
  if (optional.length === stage.steps.length) return "best effort";
  return `best effort on ${optional.map(({ node }) => node).join(", ")}`;
}
