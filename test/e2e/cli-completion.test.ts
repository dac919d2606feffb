// The completion scripts in the shells themselves, where those are installed: what is offered, and what TAB makes of a line.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryPoint } from "../support/program.ts";

const scripts = new URL("../../completions/", import.meta.url).pathname;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "remaster-completion-"));
  symlinkSync(entryPoint, join(folder, "remaster"));
  const node = (name: string, port: number): string =>
    `[nodes.${name}]\ndsn = "host=127.0.0.1 port=${port}"\n`;
  writeFileSync(
    join(folder, "remaster.toml"),
    `cluster = "a"\n${node("alpha", 1)}${node("beta", 2)}[poolers.delta]\ndsn = "host=h"\n`,
  );
  writeFileSync(join(folder, "other.toml"), `cluster = "b"\n${node("gamma", 1)}`);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function has(shell: string): boolean {
  return spawnSync(shell, ["-c", ":"]).error === undefined;
}

function run(shell: string, words: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(shell, words, {
    cwd: folder,
    encoding: "utf8",
    env: {
      PATH: `${folder}:${process.env["PATH"] ?? ""}`,
      HOME: folder,
      TERM: "dumb",
      LC_ALL: "C.UTF-8",
    },
    timeout: 60_000,
  });
  if (error !== undefined) throw error;
  expect(stderr).toBe("");
  return stdout;
}

/** A line with the cursor at its end, and what is offered there. */
const offers: readonly (readonly [string, readonly string[]])[] = [
  ["remaster qu", ["quiesce"]],
  ["remaster --js", ["--json"]],
  ["remaster status --js", ["--json"]],
  ["remaster --json stat", ["status"]],
  ["remaster repoint ", ["alpha", "beta"]],
  ["remaster repoint --to ", ["alpha", "beta"]],
  ["remaster repoint alpha b", ["beta"]],
  ["remaster -f other.toml promote ", ["gamma"]],
  ["remaster promote --config other.toml ", ["gamma"]],
  ["remaster promote alpha ", []],
  ["remaster pause ", ["delta"]],
  ["remaster resume delta --to ", ["alpha", "beta"]],
  ["remaster -f other.toml pause ", []],
  ["remaster status ", []],
  ["remaster completion z", ["zsh"]],
  ["remaster sandbox fr", ["freeze"]],
  ["remaster help fail", ["failover"]],
  ["remaster -f oth", ["other.toml"]],
  ["remaster failover --timeout ", []],
];

describe.skipIf(!has("bash"))("bash", () => {
  function offered(line: string): readonly string[] {
    const words = line.split(" ").map((word) => `'${word}'`);
    const script = `source ${scripts}remaster.bash
      COMP_WORDS=(${words.join(" ")}) COMP_CWORD=${words.length - 1}
      _remaster
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run("bash", ["--norc", "--noprofile", "-c", script]).split("\n").filter(Boolean);
  }

  test.each(offers)("%s", (line, expected) => {
    expect(offered(line)).toEqual(expected);
  });

  test("a value joined by =, which bash splits into words", () => {
    expect(offered("remaster repoint --to = b")).toEqual(["beta"]);
    expect(offered("remaster --config = other.toml promote ")).toEqual(["gamma"]);
  });

  test("is registered for the program", () => {
    const script = `source ${scripts}remaster.bash; complete -p remaster`;
    expect(run("bash", ["--norc", "--noprofile", "-c", script])).toBe(
      "complete -F _remaster remaster\n",
    );
  });
});

describe.skipIf(!has("fish"))("fish", () => {
  test.each(offers)("%s", (line, expected) => {
    const script = `source ${scripts}remaster.fish; complete -C '${line}'`;
    const lines = run("fish", ["--no-config", "-c", script]).split("\n").filter(Boolean);
    expect(lines.map((each) => each.split("\t")[0])).toEqual(expected);
  });
});

describe.skipIf(!has("zsh"))("zsh", () => {
  /** What the lines become in an interactive zsh after TAB, which prints the line there and empties it. */
  function completed(lines: readonly string[]): readonly string[] {
    const setup = [
      "PS1= PS2=",
      `fpath=(${scripts} $fpath); autoload -Uz compinit; compinit -D -u`,
      // In two halves, so that the echo of this line does not look like the answer.
      'finish() { zle complete-word; print -r -- "[""[$BUFFER]""]"; BUFFER=; zle redisplay }',
      "zle -N finish; bindkey '^I' finish; setopt no_beep no_auto_list",
    ];
    const typed = lines.map(
      (line) => `zpty -w -n z ${JSON.stringify(line)}$'\\t'
        zpty -r -m z out "*\\[\\[*\\]\\]*"; print -r -- "\${\${out##*\\[\\[}%%\\]\\]*}"`,
    );
    const script = `zmodload zsh/zpty; zpty -b z zsh -f -i
      ${setup.map((line) => `zpty -w z '${line.replaceAll("'", "'\\''")}'`).join("\n")}
      ${typed.join("\n")}
      zpty -d z`;
    return run("zsh", ["-f", "-c", script]).split("\n").slice(0, -1);
  }

  test("TAB finishes what is unambiguous", () => {
    const cases = {
      "remaster qui": "remaster quiesce ",
      "remaster --js": "remaster --json ",
      "remaster status --js": "remaster status --json ",
      "remaster --json stat": "remaster --json status ",
      "remaster repoint al": "remaster repoint alpha ",
      "remaster repoint --to=be": "remaster repoint --to=beta ",
      "remaster -f other.toml promote ": "remaster -f other.toml promote gamma ",
      "remaster promote --config other.toml ": "remaster promote --config other.toml gamma ",
      "remaster pause d": "remaster pause delta ",
      "remaster completion z": "remaster completion zsh ",
      "remaster sandbox fr": "remaster sandbox freeze ",
      "remaster help fail": "remaster help failover ",
      "remaster -f oth": "remaster -f other.toml ",
    };
    expect(completed(Object.keys(cases))).toEqual(Object.values(cases));
  });
});
