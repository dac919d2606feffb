// Talk while a verb runs, on stderr: on a terminal a spinner with what is being done, elsewhere plain lines. ora is loaded
// only once a run has lasted a while: most are over sooner, and the loading would take time from the change itself.

import type { Ora } from "ora";
import { printable } from "./line.ts";
import type { Look } from "./look.ts";

export interface ProgressOptions {
  readonly stream: NodeJS.WritableStream;
  readonly look: Look;
  readonly isTTY: boolean;
}

export interface Progress {
  /** One line that stays. */
  say(text: string): void;
  /** What is being done now: a spinner's text on a terminal, a line elsewhere. */
  doing(text: string): void;
  /** What is being waited for: a spinner's text on a terminal, nothing elsewhere. */
  waiting(text: string): void;
  /** Clears the spinner: before a question, and at the end. */
  rest(): void;
}

const spinnerAfterMs = 400;

export const silence: Progress = {
  say: () => undefined,
  doing: () => undefined,
  waiting: () => undefined,
  rest: () => undefined,
};

export function createProgress(options: ProgressOptions): Progress {
  // ora counts the lines it clears by the terminal's width, and never ends where that is 0.
  const canSpin = options.isTTY && Number.isFinite(options.look.columns);
  return canSpin ? new TerminalProgress(options) : plainProgress(options.stream);
}

function plainProgress(stream: NodeJS.WritableStream): Progress {
  let last: string | null = null;
  // Whoever polls says the same again and again; once is enough.
  const write = (text: string): void => {
    if (text !== last) stream.write(`${printable(text)}\n`);
    last = text;
  };
  return { say: write, doing: write, waiting: () => undefined, rest: () => undefined };
}

/**
 * idle -> waiting (something is being done, no spinner yet) -> spinning -> idle.
 * `rest` leads back to idle from anywhere, also while ora is still being loaded.
 */
class TerminalProgress implements Progress {
  readonly #options: ProgressOptions;
  #text: string | null = null;
  #lastSaid: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #spinner: Ora | null = null;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  say(text: string): void {
    if (text === this.#lastSaid) return;
    this.#lastSaid = text;
    this.#spinner?.clear();
    this.#options.stream.write(`${printable(text)}\n`);
    this.#spinner?.render();
  }

  doing(text: string): void {
    this.#text = printable(text);
    if (this.#spinner !== null) this.#spinner.text = this.#text;
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => void this.#spin(), spinnerAfterMs);
    this.#timer.unref();
  }

  waiting(text: string): void {
    this.doing(text);
  }

  rest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#text = null;
    this.#spinner?.stop();
    this.#spinner = null;
  }

  async #spin(): Promise<void> {
    const { default: ora } = await import("ora");
    if (this.#text === null || this.#spinner !== null) return;
    this.#spinner = ora({
      text: this.#text,
      stream: this.#options.stream,
      isEnabled: true,
      color: this.#options.look.colour ? "cyan" : false,
      // The terminal's Ctrl-C has to reach us as a signal.
      discardStdin: false,
      ...(this.#options.look.utf8 ? {} : { spinner: "line" }),
    }).start();
  }
}
