// Questions to the operator, on stderr so that stdout stays data. Only where there is a terminal to ask on: the caller
// decides that. inquirer is loaded with the first question. Ctrl-C at a question means no.

import { DeclinedError } from "../errors.ts";
import { stylesFor } from "./colour.ts";
import { printable } from "./line.ts";
import type { Look } from "./look.ts";

export interface PromptStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly look: Look;
  /** Ends the question with the run. */
  readonly signal: AbortSignal;
}

/** Yes or no; no is the default answer. */
export async function confirm(question: string, streams: PromptStreams): Promise<boolean> {
  const ask = await loadPrompt(streams);
  const { answer } = await declineOnExit(
    ask<{ answer: boolean }>([
      {
        type: "confirm",
        name: "answer",
        message: printable(question),
        default: false,
        theme: await themeFor(streams.look),
      },
    ]),
  );
  return answer;
}

/** Whether the operator typed exactly `expected`. */
export async function typeExactly(
  question: string,
  expected: string,
  streams: PromptStreams,
): Promise<boolean> {
  const ask = await loadPrompt(streams);
  const { answer } = await declineOnExit(
    ask<{ answer: string }>([
      {
        type: "input",
        name: "answer",
        message: printable(question),
        theme: await themeFor(streams.look),
      },
    ]),
  );
  return answer.trim() === expected;
}

async function loadPrompt({ input, output, signal }: PromptStreams) {
  const { default: inquirer } = await import("inquirer");
  return inquirer.createPromptModule({ input, output, signal });
}

/** inquirer's own colours follow stdout; ours follow the stream that the question stands on. */
async function themeFor(look: Look) {
  const { strong, faint, plain } = await stylesFor(look);
  return {
    prefix: { idle: strong("?"), done: strong("?") },
    // inquirer calls these with a second argument, its own state, which a style of chalk would print as well.
    style: {
      message: (text: string) => strong(text),
      answer: (text: string) => plain(text),
      defaultAnswer: (text: string) => faint(text),
    },
  };
}

/** Ctrl-C at a question, or the end of the run while it stands. */
async function declineOnExit<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && error.name === "ExitPromptError") {
      throw new DeclinedError("declined at the question; nothing was changed");
    }
    throw error;
  }
}
