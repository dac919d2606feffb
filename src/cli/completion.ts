// Completion scripts for bash, zsh and fish, generated from the definitions. They are static: verbs, options and choices
// stand in the script; only node names are asked for while typing, with `remaster completion nodes`.

import { bashLines } from "./completion-bash.ts";
import { fishLines } from "./completion-fish.ts";
import { zshLines } from "./completion-zsh.ts";
import type { KnownVerb } from "./help.ts";

export type Shell = "bash" | "zsh" | "fish";

/** File names under completions/, as each shell looks for them. */
export const completionFiles: Readonly<Record<Shell, string>> = {
  bash: "remaster.bash",
  zsh: "_remaster",
  fish: "remaster.fish",
};

export function completionLines(shell: Shell, verbs: readonly KnownVerb[]): readonly string[] {
  switch (shell) {
    case "bash":
      return bashLines(verbs);
    case "zsh":
      return zshLines(verbs);
    case "fish":
      return fishLines(verbs);
  }
}
