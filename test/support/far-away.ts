// A place on this machine that can be cut off from it like a laptop from its network: a network namespace of its own at the
// end of a cable. Cut, nothing comes through in either direction, and nobody is told. Needs root and iproute2.

import { execFileSync, spawnSync } from "node:child_process";

const ip = (...words: readonly string[]): void => {
  execFileSync("ip", words, { stdio: "pipe" });
};

export const canBeFarAway =
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["--net", "ip", "link", "show"]).status === 0 &&
  spawnSync("ip", ["netns", "list"]).status === 0;

export interface FarAway extends Disposable {
  /** This machine's address as seen from there. */
  readonly here: string;
  /** Its own address. */
  readonly there: string;
  /** Command line that runs a program there. */
  run(...command: readonly string[]): readonly [string, ...string[]];
  /** The link whose addresses have to go there, from within, to cut it. */
  readonly link: string;
  cut(): void;
}

let places = 0;

export function goFarAway(): FarAway {
  places += 1;
  // A link's name has 15 characters at most.
  const name = `far${process.pid}x${places}`;
  const net = `10.${180 + (places % 60)}.${process.pid % 250}`;
  ip("netns", "add", name);
  ip("link", "add", `${name}h`, "type", "veth", "peer", "name", `${name}t`, "netns", name);
  ip("addr", "add", `${net}.1/24`, "dev", `${name}h`);
  ip("link", "set", `${name}h`, "up");
  ip("-n", name, "addr", "add", `${net}.2/24`, "dev", `${name}t`);
  ip("-n", name, "link", "set", `${name}t`, "up");
  return {
    here: `${net}.1`,
    there: `${net}.2`,
    link: `${name}t`,
    run: (...command) => ["ip", "netns", "exec", name, ...command],
    cut: () => {
      // The far end goes: here the cable still looks plugged in, and what is sent gets no answer.
      ip("-n", name, "addr", "flush", "dev", `${name}t`);
    },
    [Symbol.dispose]() {
      // With the namespace alone the cable would go only some time later, and its name with it.
      ip("link", "del", `${name}h`);
      ip("netns", "del", name);
    },
  };
}
