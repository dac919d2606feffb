// The entry point from outside: what it prints where, and its exit status, for command lines that need no server.

import { spawn } from "node:child_process";
import { createServer, type Server } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryPoint, remaster } from "../support/program.ts";

let folder = "";
let silent: Server;
let silentPort = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remaster-cli-"));
  // Accepts and never says a word, as a frozen server does.
  silent = createServer();
  await new Promise<void>((resolve) => {
    silent.listen(0, "127.0.0.1", resolve);
  });
  const address = silent.address();
  silentPort = typeof address === "object" && address !== null ? address.port : 0;
});

afterAll(() => {
  silent.close();
  rmSync(folder, { recursive: true });
});

function topologyFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function down(name = "down.toml"): string {
  return topologyFile(
    name,
    'cluster = "orders"\n[nodes.n1]\ndsn = "host=127.0.0.1 port=1"\n[nodes.n2]\ndsn = "host=127.0.0.1 port=2"\n',
  );
}

function frozen(): string {
  return topologyFile(
    "frozen.toml",
    `cluster = "orders"\n[nodes.n1]\ndsn = "host=127.0.0.1 port=${silentPort}"\n`,
  );
}

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

describe("help and version", () => {
  test.each([["--version"], ["-V"], ["status --version"], ["--json --version"]])(
    "remaster %s",
    async (line) => {
      expect(await remaster(line.split(" "))).toEqual({
        status: 0,
        signal: null,
        stdout: `${version}\n`,
        stderr: "",
      });
    },
  );

  test.each([["--help"], ["-h"], ["help"], ["--json --help"]])("remaster %s", async (line) => {
    const { status, stdout, stderr } = await remaster(line.split(" "));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^usage: remaster VERB/);
  });

  test.each([["status --help"], ["help status"], ["--help status"], ["-f x status -h --nonsense"]])(
    "remaster %s",
    async (line) => {
      const { status, stdout, stderr } = await remaster(line.split(" "));
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toMatch(/^usage: remaster status/);
    },
  );

  test("without a word: the help on stderr, and the status of a wrong command line", async () => {
    const { status, stdout, stderr } = await remaster([]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^usage: remaster VERB/);
  });
});

describe("a wrong command line: one line, a hint, status 2, and no JSON", () => {
  test.each([
    ["staus", "unknown verb 'staus'", "did you mean 'status'?"],
    ["help staus", "unknown verb 'staus'", "did you mean 'status'?"],
    ["destroy", "unknown verb 'destroy'", "see remaster --help"],
    ["--json", "no verb given", "see remaster --help"],
    ["--badopt", "unknown option --badopt", "see remaster --help"],
    ["--jsn=1", "unknown option --jsn", "did you mean --json?"],
    ["--verzion", "unknown option --verzion", "did you mean --version?"],
    ["-x", "unknown option -x", "see remaster --help"],
    [
      "--primary-is-dead",
      "no verb before --primary-is-dead",
      "options of a verb stand after it: remaster VERB [OPTIONS]",
    ],
    ["status --jsn", "status has no option --jsn", "did you mean --json?"],
    ["status -x", "status has no option -x", "see remaster status --help"],
    ["status --yes", "status has no option --yes", "see remaster status --help"],
    ["status n1", "too many arguments for status", "see remaster status --help"],
    [
      "status --timeout never",
      "--timeout: 'never' is not a duration",
      "write 500ms, 10s, 2m, or seconds as a bare number",
    ],
    ["promote --json", "promote needs NODE", "see remaster promote --help"],
    [
      "promote n1 --require 0/3",
      "--require: '0/3' is not a position",
      "a position is a timeline and an LSN, such as 3@16/B374D848",
    ],
    ["repoint n1", "repoint needs --to UPSTREAM", "see remaster repoint --help"],
    [
      "--to n2 failover",
      "no verb before --to",
      "options of a verb stand after it: remaster VERB [OPTIONS]",
    ],
  ])("remaster %s", async (line, message, hint) => {
    expect(await remaster(line.split(" "))).toEqual({
      status: 2,
      signal: null,
      stdout: "",
      stderr: `remaster: ${message}\nhint: ${hint}\n`,
    });
  });

  test("a node that the topology file lacks, with those that it has", async () => {
    const { status, stdout, stderr } = await remaster(["promote", "n3", "-f", down(), "--json"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toBe("remaster: the topology file has no node n3\nhint: it has n1, n2\n");
  });
});

describe("a wrong topology file: one line, a hint where there is one, status 3", () => {
  test.each([
    ["missing.toml", null, /does not exist/],
    ["broken.toml", 'cluster = "a"\nnodes = [', /broken\.toml:\d+:\d+: /],
    ["typo.toml", 'cluster = "a"\n[nodes.n1]\ndns = "host=a"\n', /dns.*dsn/],
    [
      "twice.toml",
      'cluster = "a"\n[nodes.n1]\ndsn = "host=a"\n[nodes.n1]\n',
      /twice\.toml:\d+:\d+: /,
    ],
    ["dsn.toml", 'cluster = "a"\n[nodes.n1]\ndsn = "host=a port"\n', /n1/],
    ["empty.toml", 'cluster = "a"\n', /no nodes/],
  ])("%s", async (name, text, message) => {
    const path = text === null ? join(folder, name) : topologyFile(name, text);
    const { status, stdout, stderr } = await remaster(["status", "--config", path]);
    expect({ status, stdout }).toEqual({ status: 3, stdout: "" });
    const [first = "", ...more] = stderr.trimEnd().split("\n");
    expect(first).toMatch(/^remaster: /);
    expect(`${first} ${more.join(" ")}`).toMatch(message);
    expect(more.every((line) => line.startsWith("hint: "))).toBe(true);
    expect(more.length).toBeLessThanOrEqual(1);
  });

  test("with --json the same as a report", async () => {
    const { status, stdout, stderr } = await remaster(["status", "-f", "/nowhere.toml", "--json"]);
    expect({ status, stderr }).toEqual({ status: 3, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      format: 1,
      command: "status",
      cluster: null,
      outcome: "config",
      exitCode: 3,
      summary: "topology file /nowhere.toml does not exist",
      findings: [],
    });
  });

  test("a password in --dsn is refused and not repeated", async () => {
    const { status, stdout, stderr } = await remaster([
      "status",
      "--dsn",
      "host=127.0.0.1 port=1 password=s3cret",
    ]);
    expect([2, 3]).toContain(status);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^remaster: .*password/);
    expect(stderr).not.toContain("s3cret");
  });
});

describe("nobody there", () => {
  test("status shows the tree and the reasons, status 4", async () => {
    const { status, stdout, stderr } = await remaster(["status", "-f", down()]);
    expect(status).toBe(4);
    expect(stdout).toMatch(/^n1 {4}down/m);
    expect(stderr).toContain("[node-unreachable]");
  });

  test("a verb that changes something says the same in JSON, and asks nothing", async () => {
    const { status, stdout } = await remaster(["failover", "-f", down(), "--json", "--yes"]);
    const report = JSON.parse(stdout) as { exitCode: number; outcome: string };
    expect(report.exitCode).toBe(status);
    expect(["refused", "unreachable"]).toContain(report.outcome);
  });

  test("node names come from the topology file alone", async () => {
    expect(await remaster(["completion", "nodes", "-f", down()])).toEqual({
      status: 0,
      signal: null,
      stdout: "n1\nn2\n",
      stderr: "",
    });
  });
});

describe("the process edge", () => {
  test("an interrupt before the first change declines, status 6", async () => {
    const child = spawn(process.execPath, [entryPoint, "status", "-f", frozen(), "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    // The connection shows that the run has begun.
    silent.once("connection", () => child.kill("SIGINT"));
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    const status = await new Promise((resolve) => {
      child.on("close", resolve);
    });
    expect(status).toBe(6);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "declined", exitCode: 6 });
  });

  test("a reader that goes away early is no failure", async () => {
    const line = `"${process.execPath}" "${entryPoint}" --help | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = spawn("bash", ["-c", line], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    await new Promise((resolve) => {
      child.on("close", resolve);
    });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^usage: remaster .*\n0\n$/);
  });

  test("a stdout that cannot be written is said, status 3", async () => {
    const line = `exec "${process.execPath}" "${entryPoint}" --help >/dev/full`;
    const child = spawn("bash", ["-c", line], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    const status = await new Promise((resolve) => {
      child.on("close", resolve);
    });
    expect(stderr).toMatch(/^remaster: cannot write to stdout: .*ENOSPC/);
    expect(status).toBe(3);
  });

  test("NO_COLOR, FORCE_COLOR and --no-color", async () => {
    const escape = "\u001b[";
    const words = ["status", "-f", down()];
    expect((await remaster(words)).stdout).not.toContain(escape);
    expect((await remaster(words, { env: { FORCE_COLOR: "1" } })).stdout).toContain(escape);
    const forbidden = await remaster([...words, "--no-color"], { env: { FORCE_COLOR: "1" } });
    expect(forbidden.stdout + forbidden.stderr).not.toContain(escape);
  });
});

describe("what is loaded", () => {
  /** Every module that a command line loads from node_modules, by package. */
  async function packagesOf(line: string): Promise<readonly string[]> {
    const log = join(folder, "loaded");
    writeFileSync(log, "");
    const hooks = `import { appendFileSync } from "node:fs";
      export async function load(url, context, next) {
        appendFileSync(${JSON.stringify(log)}, url + "\\n");
        return next(url, context);
      }`;
    const asUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
    const register = `import { register } from "node:module"; register(${JSON.stringify(asUrl(hooks))});`;
    const { status } = await remaster(line.split(" "), {
      nodeArguments: ["--import", asUrl(register)],
    });
    expect(status).toBe(0);
    const urls = readFileSync(log, "utf8").split("\n");
    expect(urls.some((url) => url.endsWith("/dist/main.js"))).toBe(true);
    return [
      ...new Set(
        urls.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []),
      ),
    ].toSorted();
  }

  test("version and help load no package at all", async () => {
    expect(await packagesOf("--version")).toEqual([]);
    expect(await packagesOf("--help")).toEqual([]);
    expect(await packagesOf("failover --help")).toEqual([]);
  });

  test("completion loads the parsers and no driver", async () => {
    expect(await packagesOf("completion bash")).toEqual(["commander"]);
    expect(await packagesOf(`completion nodes -f ${down()}`)).toEqual(["commander", "smol-toml"]);
  });
});
