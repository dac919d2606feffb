// The program at a terminal: script(1) of util-linux lends one. Questions, the spinner and colours.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryPoint } from "../support/program.ts";

const hasTerminal =
  process.platform === "linux" && spawnSync("script", ["--version"]).error === undefined;
const root = new URL("../../", import.meta.url).pathname;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "remaster-terminal-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a shell line at a terminal; types `keys` once `when` has been shown. Stdout of the line goes to a file. */
async function atTerminal(
  line: string,
  typed: { readonly when: string; readonly keys: string } | null,
  columns = 80,
) {
  const stdoutFile = join(folder, "stdout");
  const sized = `stty cols ${columns} rows 24; ${line} >${stdoutFile}`;
  const child = spawn("script", ["-qec", sized, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, TERM: "xterm", LC_ALL: "C.UTF-8" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  let pending = typed;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    shown += chunk;
    if (pending !== null && shown.includes(pending.when)) {
      child.stdin.write(pending.keys);
      pending = null;
    }
  });
  const status = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  return { status, shown, stdout: readFileSync(stdoutFile, "utf8") };
}

let scripts = 0;

/** A line that runs `body` as a module of its own, with our sources within its reach as `./src/...`. */
function script(body: string): string {
  scripts += 1;
  const outfile = join(folder, `script-${scripts}.mjs`);
  buildSync({
    stdin: { contents: body, resolveDir: root, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "node",
    // Packages that are CommonJS ask for require.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    outfile,
    logLevel: "error",
  });
  return `"${process.execPath}" "${outfile}"`;
}

describe.skipIf(!hasTerminal)("a question", () => {
  const ask = (call: string): string =>
    script(`
      import { confirm, typeExactly } from "./src/ui/prompt.ts";
      const streams = {
        input: process.stdin,
        output: process.stderr,
        look: { isTTY: true, colour: false, utf8: true, columns: 80 },
        signal: new AbortController().signal,
      };
      try {
        process.stdout.write(String(await ${call}));
      } catch (error) {
        process.stdout.write(error.outcome + ": " + error.message);
      }
    `);
  const sure = 'confirm("sure?", streams)';
  const word = 'typeExactly("type: dead", "dead", streams)';

  test.each([
    ["yes", sure, { when: "sure?", keys: "y\r" }, "true"],
    ["no", sure, { when: "sure?", keys: "n\r" }, "false"],
    ["Enter alone is no", sure, { when: "sure?", keys: "\r" }, "false"],
    [
      "Ctrl-C declines",
      sure,
      { when: "sure?", keys: "\u0003" },
      "declined: declined at the question; nothing was changed",
    ],
    ["the word", word, { when: "type: dead", keys: "dead\r" }, "true"],
    ["another word", word, { when: "type: dead", keys: "yes\r" }, "false"],
  ])("%s", async (_, call, typed, expected) => {
    const { stdout, shown } = await atTerminal(ask(call), typed);
    expect(stdout).toBe(expected);
    expect(shown).toContain(typed.when);
    // No colours where none are wanted: nothing but moves of the cursor.
    expect(shown).not.toMatch(/\u001b\[\d+m/);
  });

  test("cannot drive the terminal with what it quotes", async () => {
    const evil = ask('confirm("\\u001b]0;owned\\u0007 ok?", streams)');
    const { shown } = await atTerminal(evil, { when: "ok?", keys: "\r" });
    expect(shown).not.toContain("\u001b]0;owned");
    expect(shown).toContain("\\x1b]0;owned\\x07 ok?");
  });
});

describe.skipIf(!hasTerminal)("progress", () => {
  const progress = (body: string): string =>
    script(`
      import { createProgress } from "./src/ui/progress.ts";
      const look = { isTTY: true, colour: false, utf8: false, columns: 80 };
      let shown = "";
      const stream = process.stderr;
      const write = stream.write.bind(stream);
      stream.write = (text, ...rest) => { shown += text; return write(text, ...rest); };
      const until = async (text) => {
        while (!shown.includes(text)) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      const progress = createProgress({ stream, look, isTTY: true });
      ${body}
      progress.rest();
      process.stdout.write("ended");
    `);

  test("a spinner comes up when it lasts, and lines stand above it", async () => {
    const { shown, stdout } = await atTerminal(
      progress(`
        progress.doing("still every standby");
        await until("still every standby");
        progress.say("n3 has more");
        progress.doing("see them follow");
        await until("see them follow");
      `),
      null,
    );
    expect(stdout).toBe("ended");
    expect(shown).toContain("n3 has more\r\n");
    // Hidden while it turns, shown again at the end.
    expect(shown.lastIndexOf("\u001b[?25h")).toBeGreaterThan(shown.lastIndexOf("\u001b[?25l"));
  });
});

describe.skipIf(!hasTerminal)("the program", () => {
  const down = `status --dsn 'host=127.0.0.1,127.0.0.1 port=1,2'`;

  test("has colours on stderr at a terminal, and none in a file", async () => {
    const { status, shown, stdout } = await atTerminal(
      `"${process.execPath}" "${entryPoint}" ${down}`,
      null,
    );
    expect(status).toBe(4);
    expect(shown).toContain("\u001b[31mproblem: ");
    expect(stdout).toContain("down");
    expect(stdout).not.toContain("\u001b");
  });

  test("a terminal that does not know its width folds nothing", async () => {
    const line = `"${process.execPath}" "${entryPoint}" ${down}`;
    const { shown } = await atTerminal(line, null, 0);
    expect(shown).toMatch(/problem: .*nobody listens there.*\[node-unreachable\]/);
  });

  test("Ctrl-C ends it as declined", async () => {
    const frozen = script(`
      import { createServer } from "node:net";
      import { spawn } from "node:child_process";
      const server = createServer();
      server.listen(0, "127.0.0.1", () => {
        const dsn = "host=127.0.0.1 port=" + server.address().port;
        const child = spawn(process.execPath, ["${entryPoint}", "status", "--dsn", dsn], {
          stdio: "inherit",
        });
        server.once("connection", () => process.stderr.write("connected\\n"));
        child.on("close", (status) => { process.stdout.write(String(status)); process.exit(); });
      });
      process.on("SIGINT", () => undefined);
    `);
    const { stdout, shown } = await atTerminal(frozen, { when: "connected", keys: "\u0003" });
    expect(stdout).toBe("6");
    expect(shown).toContain("interrupted by SIGINT");
  });
});
