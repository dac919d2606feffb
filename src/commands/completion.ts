// `remaster completion`: the completion script of a shell, and the names that those scripts ask for.
// Reads the topology file only; never opens a connection.

import type { Report } from "../plan/report.ts";
import type { Context } from "./context.ts";
import { argumentValues, type Input, type VerbDefinition } from "./define.ts";

export const completion: VerbDefinition = {
  name: "completion",
  summary: "print the completion script of a shell",
  description: [
    "Prints a completion script for bash, zsh or fish on stdout. The scripts are static; only the names of nodes and poolers are looked up while you type, with `remaster completion nodes` and `remaster completion poolers`, which read the topology file and open no connection.",
  ],
  arguments: [
    {
      name: "what",
      summary: "the shell, or `nodes` or `poolers` for their names in the topology file",
      kind: "text",
      required: true,
      variadic: false,
      choices: ["bash", "zsh", "fish", "nodes", "poolers"],
    },
  ],
  options: [],
  examples: [
    {
      command: "remaster completion bash > /etc/bash_completion.d/remaster",
      explanation: "for every user of this machine",
    },
    {
      command: "remaster completion fish > ~/.config/fish/completions/remaster.fish",
      explanation: "for one user of fish",
    },
    {
      command: 'remaster completion zsh > "${fpath[1]}/_remaster"',
      explanation: "for zsh, in the first directory of its function path",
    },
  ],
  changes: false,
  standalone: true,
  run: runCompletion,
};

async function runCompletion(input: Input, context: Context): Promise<Report> {
  const [what] = argumentValues(input, "what");
  const text = await textOf(what, context);
  return {
    command: "completion",
    cluster: null,
    outcome: "done",
    findings: [],
    word: null,
    summary: "",
    text,
  };
}

async function textOf(what: string | undefined, context: Context): Promise<readonly string[]> {
  if (what !== "nodes" && what !== "poolers") return context.completionScript(shellOf(what));
  const named = (await context.cluster())[what] ?? [];
  return named.map(({ name }) => name);
}

function shellOf(what: string | undefined): "bash" | "zsh" | "fish" {
  if (what === "bash" || what === "zsh" || what === "fish") return what;
  throw new TypeError(`no shell: ${what ?? ""}`);
}
