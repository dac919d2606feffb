// Breaks and mends a node's replication without touching that node's own settings: every node turns its replication
// role away in pg_hba.conf, and its WAL senders are ended. It works on the files of nodes that are down, too. A reload
// is a signal, taken up some time later: a fresh session, forked by the postmaster after it, tells that it was (13 to 18).

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { processesIn, signalProcess } from "../host/processes.ts";
import { hbaText, layoutOf, replicationRole, writeOwned } from "./layout.ts";
import { openSession } from "./operator.ts";
import { reloadServer, type Server, serverState } from "./server.ts";
import { type SandboxNode, type SandboxState, serverOf, writeState } from "./state.ts";

const deadlineMs = 10_000;

/** The nodes get no WAL from anybody any more, until they are joined again. */
export function cutNodes(state: SandboxState, names: readonly string[]): Promise<SandboxState> {
  return setCut(state, names, { cut: true });
}

/** The nodes may stream again, and try to at once. */
export async function joinNodes(
  state: SandboxState,
  names: readonly string[],
): Promise<SandboxState> {
  const next = await setCut(state, names, { cut: false });
  // A standby that was turned away would wait wal_retrieve_retry_interval (5 s); a reload wakes it.
  for (const name of names) await reloadServer(serverOf(next, name));
  return next;
}

async function setCut(
  state: SandboxState,
  names: readonly string[],
  wanted: Pick<SandboxNode, "cut">,
): Promise<SandboxState> {
  // Before anything changes: every name is one of the sandbox's.
  for (const name of names) serverOf(state, name);
  const next: SandboxState = {
    ...state,
    nodes: state.nodes.map((node) => (names.includes(node.name) ? { ...node, ...wanted } : node)),
  };
  await writeState(next);
  await Promise.all(next.nodes.map((node) => applyRules(next, node)));
  return next;
}

/** Writes the node's pg_hba.conf and makes it hold, as far as the node runs. */
async function applyRules(state: SandboxState, node: SandboxNode): Promise<void> {
  const cut = state.nodes.filter((other) => other.cut).map((other) => other.name);
  const server = serverOf(state, node.name);
  await writeOwned(
    join(layoutOf(state.directory).dataDir(node.name), "pg_hba.conf"),
    hbaText(cut),
    { account: state.account, mode: 0o600 },
  );
  const before = Date.now();
  if (!(await reloadServer(server))) return;
  // A frozen server takes the signals when it is thawed; one in crash recovery has no sessions to ask and no senders.
  if ((await serverState(server)) === "up") await untilReloaded(state, node, before);
  for (const name of cut) await endSenders(server, replicationRole(name));
}

async function untilReloaded(
  state: SandboxState,
  node: SandboxNode,
  sinceMs: number,
): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    if (await hasLoaded(state, node, sinceMs)) return;
    if (performance.now() > until) throw new Error(`${node.name} does not read its settings again`);
    await delay(5);
  }
}

async function hasLoaded(
  state: SandboxState,
  node: SandboxNode,
  sinceMs: number,
): Promise<boolean> {
  await using session = await openSession(state, node);
  const [row] = await session.query(
    "SELECT pg_conf_load_time() >= to_timestamp($1::float8 / 1000) AS loaded",
    [sinceMs],
  );
  return row?.["loaded"] === "t";
}

/** Ends the WAL senders of a role, and sees them gone unless the server is frozen. */
async function endSenders(server: Server, role: string): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const senders = (await processesIn(server.dataDir)).filter((entry) =>
      entry.title.includes(`walsender ${role} `),
    );
    for (const sender of senders) signalProcess(sender.pid, "SIGTERM");
    if (senders.every((sender) => sender.stopped)) return;
    if (performance.now() > until) throw new Error(`${server.name} still feeds ${role}`);
    await delay(5);
  }
}
