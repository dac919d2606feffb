// remaster as an operator runs it on a test cluster: the built program in a process of its own, its JSON report parsed.
// Every run is watched: neither what it prints nor the journal it keeps may hold a password of the cluster.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCluster } from "./cluster.ts";
import { remasterHere } from "./here.ts";
import { type ProgramOptions, type ProgramResult, remaster } from "./program.ts";

export interface CliFinding {
  readonly code: string;
  readonly severity: string;
  readonly node: string | null;
  readonly message: string;
  readonly hint: string | null;
}

export interface CliNode {
  readonly name: string;
  readonly reachable: boolean;
  readonly answer: string;
  readonly reason: string | null;
  readonly sqlstate: string | null;
  readonly role: string;
  readonly timeline: number | null;
  readonly position: string | null;
  readonly receiveLsn: string | null;
  readonly replayLsn: string | null;
  readonly replay: string | null;
  readonly upstream: string | null;
  readonly streaming: boolean | null;
  readonly lagBytes: string | null;
  readonly diverged: boolean | null;
  readonly quiesced: boolean | null;
  readonly fenced: boolean | null;
  readonly repointing: string | null;
  readonly slots: readonly { readonly slotName: string; readonly active: boolean }[];
}

export interface CliStep {
  readonly verb: string;
  readonly nodes: readonly string[];
  readonly commandLine: string;
  readonly state: string;
  readonly ms: number;
  readonly detail: string | null;
}

export interface CliReport {
  readonly outcome: string;
  readonly exitCode: number;
  readonly summary: string;
  readonly hint: string | null;
  readonly findings: readonly CliFinding[];
  readonly topology?: { readonly primaries: readonly string[]; readonly nodes: readonly CliNode[] };
  readonly comparison?: {
    readonly ahead: string | null;
    readonly candidate: string | null;
    readonly exchange: {
      readonly from: string;
      readonly to: string;
      readonly bytes: string;
    } | null;
    readonly ranking: readonly {
      readonly node: string;
      readonly position: string | null;
      readonly relation: string;
      readonly bytesBehind: string | null;
      readonly reasons: readonly string[];
    }[];
  };
  readonly plan?: {
    readonly stages: readonly {
      readonly steps: readonly { readonly verb: string; readonly nodes: readonly string[] }[];
    }[];
    readonly guarantee: {
      readonly kind: string;
      readonly basis: string;
      readonly primary: string | null;
      readonly observedAt: string | null;
      readonly distanceBytes: string | null;
      readonly unreached: readonly string[];
      readonly confirmers: readonly string[] | null;
    } | null;
  };
  readonly steps?: readonly CliStep[];
  readonly timings?: Readonly<Record<string, number>>;
  readonly next: readonly string[];
}

export interface CliResult extends ProgramResult {
  readonly report: CliReport;
}

export interface Operator {
  /** The topology file that this operator uses. */
  readonly config: string;
  /** Environment of every run; journals go to a state directory of the cluster's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command line and gives what it printed. */
  run(words: readonly string[], options?: ProgramOptions): Promise<ProgramResult>;
  /** Runs it with --json. */
  ask(...words: readonly string[]): Promise<CliResult>;
  /** Runs it with --yes and --json. */
  change(...words: readonly string[]): Promise<CliResult>;
}

export interface OperatorOptions {
  /** Another topology file than the cluster's own. */
  readonly config?: string;
  /** A directory name: operators with different ones share no journal. */
  readonly desk?: string;
  /** Runs in this process; options of a run but its environment are for a process of its own. */
  readonly here?: true;
  /** What must not show anywhere, beside the passwords of the cluster's passfiles. */
  readonly secrets?: readonly string[];
}

export function operatorOf(cluster: TestCluster, options: OperatorOptions = {}): Operator {
  const config = options.config ?? cluster.configFile;
  const state = join(cluster.directory, options.desk ?? "desk");
  const env = { XDG_STATE_HOME: state };
  const secrets = [...passwordsOf(cluster), ...(options.secrets ?? [])];
  const run = async (
    words: readonly string[],
    more: ProgramOptions = {},
  ): Promise<ProgramResult> => {
    const line = [...words, "--config", config];
    const given = { ...env, ...more.env };
    const result =
      options.here === true
        ? await remasterHere(line, given)
        : await remaster(line, { ...more, env: given });
    checkSecrets(secrets, [result.stdout, result.stderr, ...filesBelow(state)], words);
    return result;
  };
  const ask = async (...words: readonly string[]): Promise<CliResult> => {
    const result = await run([...words, "--json"]);
    if (result.stdout === "") throw new Error(`no report: ${result.stderr}`);
    return { ...result, report: JSON.parse(result.stdout) as CliReport };
  };
  return { config, env, run, ask, change: (...words) => ask(...words, "--yes") };
}

/** Writes the cluster's topology file anew, changed, under another name. */
export function changedConfig(
  cluster: TestCluster,
  name: string,
  change: (text: string) => string,
): string {
  const file = join(cluster.directory, `${name}.toml`);
  writeFileSync(file, change(readFileSync(cluster.configFile, "utf8")));
  return file;
}

/** Adds lines to a node's table of a topology file. */
export function withNodeLines(text: string, node: string, ...lines: readonly string[]): string {
  return text.replace(`[nodes.${node}]\n`, `[nodes.${node}]\n${lines.join("\n")}\n`);
}

/** The node of a report's topology. */
export function nodeIn({ topology }: CliReport, name: string): CliNode {
  const found = topology?.nodes.find((node) => node.name === name);
  if (found === undefined) throw new Error(`the report has no node ${name}`);
  return found;
}

/** The findings of a report as `code node`, those of severity note left out. */
export function alarmsIn(report: CliReport): readonly string[] {
  return report.findings
    .filter((finding) => finding.severity !== "note")
    .map(({ code, node }) => (node === null ? code : `${code} ${node}`));
}

/** The steps of a report as `state command`, without the program's name; why there are none, where there are none. */
export function stepsIn(report: CliReport): readonly string[] {
  const { steps, summary } = report;
  if (steps === undefined) return [`${summary}: ${alarmsIn(report).join(", ")}`];
  return steps.map(({ state, commandLine }) => `${state} ${commandLine.replace(/^remaster /, "")}`);
}

function passwordsOf({ directory }: TestCluster): readonly string[] {
  return ["passfile", join("servers", "passfile")].flatMap((file) =>
    readFileSync(join(directory, file), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(":").at(-1) ?? ""),
  );
}

function filesBelow(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return entries
    .map((entry) => join(directory, entry))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, "utf8"));
}

function checkSecrets(
  secrets: readonly string[],
  texts: readonly string[],
  words: readonly string[],
): void {
  for (const text of texts) {
    if (secrets.some((secret) => text.includes(secret))) {
      throw new Error(`remaster ${words.join(" ")} shows a password: ${text}`);
    }
  }
}
