// The operator at the terminal: talk on stderr, and questions where there is somebody to answer them.

import type { Prompt } from "../commands/context.ts";
import type { ProgressEvent } from "../execute/run.ts";
import { stepCommandLine } from "../plan/command-line.ts";
import type { Plan } from "../plan/plan.ts";
import { lookFor } from "../ui/look.ts";
import { formatMs } from "../ui/quantity.ts";
import { createProgress, type Progress, silence } from "../ui/progress.ts";
import type { Deadline } from "./deadline.ts";
import type { GlobalOptions } from "./program.ts";
import type { Edge } from "./run.ts";

export interface Operator {
  readonly progress: Progress;
  /** Null when there is no terminal to ask on, and with --json. */
  readonly prompt: Prompt | null;
  /** Says what a plan that is being carried out is at. */
  readonly follow: (event: ProgressEvent) => void;
}

export function createOperator(wanted: {
  readonly options: GlobalOptions;
  readonly edge: Edge;
  readonly deadline: Deadline;
}): Operator {
  const { options, edge, deadline } = wanted;
  const { isTTY, columns, stream } = edge.stderr;
  const look = lookFor({ env: edge.env, isTTY, columns, colour: options.colour });
  const progress = options.quiet ? silence : createProgress({ stream, look, isTTY });
  const canAsk = edge.stdinIsTTY && isTTY && !options.json;
  return { progress, prompt: canAsk ? promptOn(progress) : null, follow };

  function follow(event: ProgressEvent): void {
    if (event.kind === "stage") {
      progress.doing(event.stage.reason);
      return;
    }
    const { step, state, ms, detail } = event.result;
    if (!options.verbose && state !== "failed") return;
    const took = `${stepCommandLine(step).replace("remaster ", "")}: ${state} after ${formatMs(ms)}`;
    progress.say(detail === null ? took : `${took}, ${detail}`);
  }

  function promptOn(talk: Progress): Prompt {
    const streams = () => ({ input: edge.stdin(), output: stream, look, signal: deadline.signal });
    const show = async (plan: Plan): Promise<void> => {
      const { renderPlan } = await import("../ui/plan.ts");
      const { renderFindings } = await import("../ui/report.ts");
      const { paint, stylesFor } = await import("../ui/colour.ts");
      const lines = [...renderPlan(plan, look), ...renderFindings(plan.findings, look)];
      stream.write(paint(lines, await stylesFor(look)));
    };
    return {
      confirm: async (question, plan) => {
        const { confirm } = await import("../ui/prompt.ts");
        talk.rest();
        if (plan !== undefined) await show(plan);
        return deadline.hold(() => confirm(question, streams()));
      },
      type: async (question, expected) => {
        const { typeExactly } = await import("../ui/prompt.ts");
        talk.rest();
        return deadline.hold(() => typeExactly(question, expected, streams()));
      },
    };
  }
}
