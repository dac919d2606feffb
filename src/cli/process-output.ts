// A standard stream of the process as the program writes to it. A reader that went away (EPIPE: `remaster status | head`)
// is no failure, what it wanted it has; a stream that cannot be written (a full disk) is remembered.

import { isatty } from "node:tty";
import type { Output } from "./run.ts";

export class ProcessOutput implements Output {
  readonly stream: NodeJS.WriteStream;
  readonly isTTY: boolean;
  #closed = false;
  failure: Error | null = null;

  constructor(stream: NodeJS.WriteStream, fd: 1 | 2) {
    this.stream = stream;
    this.isTTY = isatty(fd);
    stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      if (error.code !== "EPIPE") this.failure = error;
    });
  }

  get columns(): number {
    // A terminal that does not know its width says 0.
    const known = this.isTTY && this.stream.columns > 0;
    return known ? this.stream.columns : Number.POSITIVE_INFINITY;
  }

  write(text: string): void {
    if (!this.#closed && text !== "") this.stream.write(text);
  }

  async flush(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.stream.once("error", () => {
        resolve();
      });
      this.stream.write("", () => {
        resolve();
      });
    });
  }
}
