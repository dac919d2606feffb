// A way to a server on which one statement is held back until it is let go: so that a test decides what happens between two
// that are sent at the same moment.

import { connect } from "node:net";
import { type Stranger, stranger } from "./strangers.ts";

export interface HeldBack extends Stranger {
  /** A statement with the text has come, and waits. */
  readonly held: Promise<void>;
  readonly letGo: () => void;
}

function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return {
    given,
    give: () => {
      give();
    },
  };
}

export async function holdBack(port: number, text: string): Promise<HeldBack> {
  const came = signal();
  const going = signal();
  const proxy = await stranger((client) => {
    const server = connect({ port, host: "127.0.0.1" });
    server.on("error", () => undefined);
    server.pipe(client);
    client.on("data", (chunk: Buffer) => {
      if (chunk.includes(text)) {
        came.give();
        void going.given.then(() => server.write(chunk));
      } else {
        server.write(chunk);
      }
    });
    client.on("close", () => server.destroy());
  });
  return { ...proxy, held: came.given, letGo: going.give };
}
