// A standard stream of the process as the program writes to it. A reader that went away (EPIPE: `remaster status | head`)
// is no failure, what it wanted it has; a stream that cannot be written (a full disk) is remembered.

import type { Output } from "./run.ts";

export class ProcessOutput implements Output {
  readonly #stream: NodeJS.WriteStream;
  #closed = false;
  failure: Error | null = null;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      if (error.code !== "EPIPE") this.failure = error;
    });
  }

  get isTTY(): boolean {
    return this.#stream.isTTY;
  }

  get columns(): number {
    return this.#stream.isTTY ? this.#stream.columns : 80;
  }

  write(text: string): void {
    if (!this.#closed && text !== "") this.#stream.write(text);
  }

  async flush(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#stream.once("error", () => {
        resolve();
      });
      this.#stream.write("", () => {
        resolve();
      });
    });
  }
}
