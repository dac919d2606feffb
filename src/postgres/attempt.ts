// One attempt to reach one server: its clock, how far it has come, and what was heard so far.
// The time limit and an interrupt both end it by closing the socket, so nothing outlives the attempt.

import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import { ConnectFailure } from "./connect-failure.ts";

/** How far an attempt has come: it decides what silence means. */
export type Stage = "resolving" | "connecting" | "asking" | "securing" | "greeting";

export class Attempt {
  stage: Stage = "resolving";
  /** Something came back that only PostgreSQL (or what stands in for it) says. */
  speaksPostgres = false;
  readonly target: string;
  readonly deadline: number;
  readonly #signal: AbortSignal | undefined;
  readonly #ended: Promise<never>;
  #end: (reason: Error) => void = () => undefined;
  #socket: Socket | null = null;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => {
    const reason: unknown = this.#signal?.reason;
    this.#end(reason instanceof Error ? reason : new Error("interrupted"));
  };

  constructor(options: { target: string; timeoutMs: number; signal: AbortSignal | undefined }) {
    this.target = options.target;
    this.deadline = Date.now() + options.timeoutMs;
    this.#signal = options.signal;
    this.#ended = new Promise((_, reject) => {
      this.#end = reject;
    });
    // Awaited only while a step runs: an end between two steps must not count as unhandled.
    this.#ended.catch(() => undefined);
    this.#timer = setTimeout(() => {
      this.#end(this.timedOut(options.timeoutMs));
    }, options.timeoutMs);
    const { signal } = options;
    if (signal === undefined) return;
    // One signal ends many attempts: that is no leak, which node would warn of from the eleventh on.
    setMaxListeners(0, signal);
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The outermost stream in use: closed when the attempt fails. A socket below TLS must never be closed itself: Node 20
   * crashed (SIGSEGV) when that was done before the TLS stream was closed. */
  use<S extends Socket>(socket: S): S {
    // Whoever waits hears of an error; one that comes between two waits must not end the process.
    socket.on("error", () => undefined);
    this.#socket = socket;
    return socket;
  }

  /** Waits for one step, or for the end of the attempt. */
  async step<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([work, this.#ended]);
    } catch (error) {
      work.catch(() => undefined);
      throw error;
    }
  }

  /** The attempt is over; its socket is kept only by success. */
  finish(outcome: "succeeded" | "failed"): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (outcome === "failed") this.drop();
  }

  /** Closes the stream in use, and with it whatever lies below. */
  drop(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  timedOut(limitMs: number): ConnectFailure {
    const limit = `within ${limitMs} ms`;
    switch (this.stage) {
      case "resolving":
        return this.failure("unresolved", `the name was not resolved ${limit}`);
      case "connecting":
        return this.failure("none", `no answer ${limit}`);
      case "asking":
      case "securing":
      case "greeting":
        return this.failure(
          "silent",
          this.speaksPostgres
            ? `the server stopped answering while we connected (${limit})`
            : `the connection was accepted, then nothing came ${limit}`,
        );
    }
  }

  failure(answer: ConnectFailure["answer"], reason: string, cause?: unknown): ConnectFailure {
    return new ConnectFailure({ answer, speaksPostgres: this.speaksPostgres, reason, cause });
  }
}
