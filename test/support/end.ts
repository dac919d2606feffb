// A test process may be killed, and then nothing of it runs any more: a guard beside it waits for the end of the pipe
// between them, and clears away the clusters that were not disposed of.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { Writable } from "node:stream";

const sweep = `
while IFS= read -r line; do directories="$directories$line
"; done
printf '%s' "$directories" | while IFS= read -r directory; do
  [ -d "$directory" ] || continue
  for proc in /proc/[0-9]*; do
    case "$(readlink "$proc/cwd" 2>/dev/null)" in
      "$directory"/*) kill -KILL "\${proc#/proc/}" 2>/dev/null ;;
    esac
  done
  for file in "$directory"/servers/*/postmaster.pid; do
    ipcrm -m "$(sed -n '7s/.* //p' "$file")" 2>/dev/null
  done
  rm -rf "$directory"
done
`;

let guard: ChildProcessByStdio<Writable, null, null> | null = null;

/** Ends what runs below the directory and removes it when this process has ended, however it ended. */
export function clearAwayAtEnd(directory: string): void {
  if (guard === null) {
    guard = spawn("/bin/sh", ["-c", sweep], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    // Neither it nor its pipe keeps the test process alive.
    guard.unref();
    if (guard.stdin instanceof Socket) guard.stdin.unref();
  }
  guard.stdin.write(`${directory}\n`);
}
