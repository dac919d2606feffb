// Asks a server to give up the statement that a session of ours is in: what nobody waits for any more should not go on
// having effects. By a connection of its own, as the protocol wants it (CancelRequest, 13 to 18); the server says nothing
// to it, so whether it came in time is not known. Best effort: it never fails and keeps nobody waiting for long.

import type { Socket } from "node:net";
import { Attempt } from "./attempt.ts";

/** What the server sent at login: whoever has it may cancel. A secret. */
export interface CancelKey {
  readonly pid: number;
  readonly secret: number;
}

const limitMs = 500;
const cancelCode = 80_877_102;

/** `open` makes a connection like the session's own, encrypted where that one is. */
export async function requestCancel(
  key: CancelKey,
  open: (attempt: Attempt) => Promise<Socket>,
): Promise<void> {
  const attempt = new Attempt({ target: "cancel", timeoutMs: limitMs, signal: undefined });
  try {
    const stream = await attempt.step(open(attempt));
    await attempt.step(sendAndClose(stream, message(key)));
  } catch {
    // Nobody can be asked: the server's own statement_timeout, or the loss of the connection, has to do.
  } finally {
    attempt.finish("failed");
  }
}

function message({ pid, secret }: CancelKey): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32BE(16, 0);
  bytes.writeInt32BE(cancelCode, 4);
  bytes.writeInt32BE(pid, 8);
  bytes.writeInt32BE(secret, 12);
  return bytes;
}

/** The server closes when it has read it. */
function sendAndClose(stream: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", () => {
      resolve();
    });
    stream.resume();
    stream.end(bytes);
  });
}
