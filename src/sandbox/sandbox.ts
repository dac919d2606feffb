// The verbs of a sandbox: up, status, down, and what can be done to its nodes. All of them can be repeated: a goal that
// holds already is no error. It refuses what could not mean anything, such as stopping a frozen server cleanly.

import { formatConninfo } from "../conninfo/format.ts";
import { ConfigError, RemasterError, UsageError } from "../errors.ts";
import { counted } from "../topology/counted.ts";
import { resolveDirectory } from "./directory.ts";
import { clientRole, layoutOf } from "./layout.ts";
import { makeSandbox, type SandboxWish } from "./make.ts";
import { cutNodes, joinNodes } from "./network.ts";
import { conninfoOf, openSession } from "./operator.ts";
import { isBeingMade, removeSandbox } from "./remove.ts";
import {
  freezeServer,
  killServer,
  type Server,
  type ServerState,
  serverState,
  startServer,
  stopServer,
  thawServer,
} from "./server.ts";
import { readState, type SandboxNode, type SandboxState, serverOf } from "./state.ts";

export interface NodeStatus {
  readonly name: string;
  readonly port: number;
  readonly state: ServerState;
  /** Null where nobody lets us in to ask. */
  readonly role: "primary" | "standby" | null;
  /** The node that a standby streams from now. */
  readonly upstream: string | null;
  readonly promotable: boolean;
  readonly cut: boolean;
}

export interface SandboxStatus {
  readonly directory: string;
  readonly configFile: string;
  readonly version: string;
  readonly bindir: string;
  readonly account: string | null;
  readonly client: string | null;
  readonly nodes: readonly NodeStatus[];
}

export type SandboxAct = "stop" | "start" | "kill" | "freeze" | "thaw" | "cut" | "join";

/** Makes the sandbox, anew where an earlier attempt was cut short; leaves one alone that is there already. */
export async function upSandbox(
  wish: Omit<SandboxWish, "directory"> & { readonly directory: string | null },
): Promise<{ readonly made: boolean; readonly status: SandboxStatus }> {
  const directory = await resolveDirectory(wish.directory);
  const found = await readState(directory);
  if (found?.phase === "made") {
    checkSame(found, wish);
    return { made: false, status: await statusOf(found) };
  }
  if (found !== null) await removeSandbox(directory);
  const state = await makeSandbox({ ...wish, directory });
  return { made: true, status: await statusOf(state) };
}

function checkSame(state: SandboxState, wish: Omit<SandboxWish, "directory">): void {
  const standbys = state.nodes.length - 1;
  const sameMajor = wish.major === undefined || Number.parseInt(state.version, 10) === wish.major;
  if (standbys === wish.standbys && sameMajor) return;
  throw refusal(
    `there is a sandbox already in ${state.directory}: PostgreSQL ${state.version} with ${counted(standbys, "standby")}`,
    "take it down first (remaster sandbox down), or choose another directory with --dir",
  );
}

/** Null when there is no sandbox. */
export async function sandboxStatus(directory: string | null): Promise<SandboxStatus | null> {
  const state = await readState(await resolveDirectory(directory));
  return state === null ? null : statusOf(state);
}

/** Clears the sandbox away. */
export async function downSandbox(
  wanted: string | null,
): Promise<{ readonly directory: string; readonly removed: boolean }> {
  const directory = await resolveDirectory(wanted);
  return { directory, removed: await removeSandbox(directory) };
}

/** Does one thing to the named nodes, side by side; to all of them when none is named. */
export async function actOnNodes(
  act: SandboxAct,
  request: {
    readonly directory: string | null;
    readonly nodes: readonly string[];
    readonly signal?: AbortSignal;
  },
): Promise<SandboxStatus> {
  const state = await madeState(request.directory);
  const known = state.nodes.map((node) => node.name);
  checkNames(request.nodes, known);
  const names = request.nodes.length === 0 ? known : request.nodes;
  const servers = names.map((name) => serverOf(state, name));
  for (const server of servers) await checkAct(act, server);
  if (act === "cut") return statusOf(await cutNodes(state, names));
  if (act === "join") return statusOf(await joinNodes(state, names));
  await Promise.all(servers.map((server) => perform(act, server, request.signal)));
  return statusOf(state);
}

/** As all verbs take a name that is none: a wrong command line. */
function checkNames(names: readonly string[], known: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) throw new UsageError(`node ${name} is named twice`);
    if (known.includes(name)) continue;
    throw new UsageError(`the sandbox has no node ${name}`, `it has ${known.join(", ")}`);
  }
}

async function madeState(directory: string | null): Promise<SandboxState> {
  const path = await resolveDirectory(directory);
  const state = await readState(path);
  if (state === null) {
    throw new ConfigError(`there is no sandbox in ${path}`, "make one: remaster sandbox up");
  }
  if (state.phase === "made") return state;
  const maker = (await isBeingMade(state)) ? "is still being made" : "was never finished";
  throw new ConfigError(
    `the sandbox in ${path} ${maker}`,
    "remaster sandbox up makes it anew, remaster sandbox down clears it away",
  );
}

async function checkAct(act: SandboxAct, server: Server): Promise<void> {
  const state = await serverState(server);
  if (state === "frozen" && (act === "stop" || act === "start")) {
    throw refusal(
      `${server.name} is frozen`,
      `thaw it first: remaster sandbox thaw ${server.name}`,
    );
  }
  if (state === "down" && (act === "freeze" || act === "thaw")) {
    throw refusal(
      `${server.name} is down`,
      `start it first: remaster sandbox start ${server.name}`,
    );
  }
}

const refusal = (message: string, hint: string) => new RemasterError("refused", message, { hint });

function perform(
  act: Exclude<SandboxAct, "cut" | "join">,
  server: Server,
  signal: AbortSignal | undefined,
): Promise<void> {
  switch (act) {
    case "stop":
      return stopServer(server);
    case "start":
      return startServer(server, { signal });
    case "kill":
      return killServer(server);
    case "freeze":
      return freezeServer(server);
    case "thaw":
      return thawServer(server);
  }
}

async function statusOf(state: SandboxState): Promise<SandboxStatus> {
  const nodes = await Promise.all(state.nodes.map((node) => nodeStatus(state, node)));
  const leader = nodes.find((node) => node.role === "primary")?.name;
  const primary = state.nodes.find((node) => node.name === leader);
  return {
    directory: state.directory,
    configFile: layoutOf(state.directory).config,
    version: state.version,
    bindir: state.bindir,
    account: state.account?.user ?? null,
    client: primary === undefined ? null : clientConninfo(state, primary),
    nodes,
  };
}

/** As short as it can be typed. */
function clientConninfo(state: SandboxState, primary: SandboxNode): string {
  const known = conninfoOf(state, primary, clientRole);
  const keywords = ["host", "port", "user", "dbname", "passfile"];
  return formatConninfo(Object.fromEntries(keywords.map((word) => [word, known[word] ?? ""])));
}

async function nodeStatus(state: SandboxState, node: SandboxNode): Promise<NodeStatus> {
  const { name, port, promotable, cut } = node;
  const now = await serverState(serverOf(state, name));
  const seen = now === "up" ? await lookInside(state, node) : { role: null, upstream: null };
  return { name, port, state: now, promotable, cut, ...seen };
}

async function lookInside(
  state: SandboxState,
  node: SandboxNode,
): Promise<Pick<NodeStatus, "role" | "upstream">> {
  try {
    await using session = await openSession(state, node);
    const [row] = await session.query(
      `SELECT pg_is_in_recovery() AS recovering,
         (SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming') AS upstream_port`,
    );
    const port = row?.["upstream_port"] ?? null;
    const upstream = state.nodes.find((other) => String(other.port) === port)?.name ?? null;
    return { role: row?.["recovering"] === "t" ? "standby" : "primary", upstream };
  } catch {
    // It went down between the two looks: then its role is not known.
    return { role: null, upstream: null };
  }
}
