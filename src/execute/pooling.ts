// Has poolers hold their clients back, and lets them go on. A PAUSE is done when the last connection to a server is closed,
// which waits for the transactions under way (13 to 18, pgbouncer 1.18): it has a limit of its own, since everybody else
// waits meanwhile. Whatever fails on the way to a resume, the clients go on in the end.

import { setTimeout } from "node:timers/promises";
import { parseHosts } from "../conninfo/hosts.ts";
import { reconfigure } from "../host/reconfigure.ts";
import type { PauseStep, ResumeStep } from "../plan/step.ts";
import {
  busyConnections,
  isAllPaused,
  isPaused,
  lookAtPooler,
  pausePooler,
  type PoolerLook,
  reloadPooler,
  resumePooler,
} from "../postgres/pooler.ts";
import type { Address } from "../conninfo/conninfo.ts";
import { QueryError, type Session } from "../postgres/session.ts";
import type { PoolerConfig } from "../topology/pooler.ts";
import { NotDone, type Performer, Unfinished } from "./performer.ts";
import { secretsOf } from "./secrets.ts";
import { nodeConfig, type World } from "./world.ts";

/** How long the user's command may keep the clients waiting, milliseconds. */
const reconfigureMs = 10_000;

function poolerConfig(world: World, name: string): PoolerConfig {
  const found = world.config.poolers?.find((pooler) => pooler.name === name);
  if (found === undefined) throw new Error(`no pooler ${name} in the plan's topology file`);
  return found;
}

async function look(config: PoolerConfig, world: World): Promise<PoolerLook> {
  return lookAtPooler(config, await world.console(config.name));
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Until the work is done, the time is up or the run is interrupted. Throws what the work throws. */
async function within(work: Promise<void>, ms: number, world: World): Promise<boolean> {
  const over = new AbortController();
  const signal = AbortSignal.any([world.signal, over.signal]);
  const late = setTimeout(ms, false, { signal }).catch(() => false);
  work.catch(() => undefined);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
}

/** Until nobody's transaction is under way any more: for a pooler that was paused before. */
async function drained(config: PoolerConfig, world: World): Promise<void> {
  for (;;) {
    const { connections } = await look(config, world);
    if (connections === 0 || world.signal.aborted) return;
    await world.pause(5);
  }
}

async function pause(config: PoolerConfig, beside: Session, world: World): Promise<void> {
  const limitMs = Math.min(config.pauseTimeoutMs, world.remainingMs());
  try {
    if (await within(pausePooler(config, beside), limitMs, world)) return;
  } catch (error) {
    // Paused already, it may still wait for somebody.
    const paused = error instanceof QueryError && isAllPaused(config, await look(config, world));
    if (!paused) throw new Unfinished(text(error));
    if (await within(drained(config, world), limitMs, world)) return;
  }
  const busy = await busyConnections(config, await world.console(config.name)).catch(() => []);
  const who = busy.length === 0 ? "" : `: ${busy.join(", ")}`;
  throw new Unfinished(
    world.signal.aborted
      ? `interrupted while transactions were under way${who}`
      : `transactions were still under way after ${limitMs} ms${who}`,
  );
}

/** When clients began to wait, by pooler, milliseconds. */
type Waiting = Map<string, number>;

function createPausePerformer(waiting: Waiting): Performer<PauseStep> {
  return {
    pollMs: 2,

    async holds({ node }, world) {
      const config = poolerConfig(world, node);
      const seen = await look(config, world);
      if (!isAllPaused(config, seen)) return { holds: false, why: `${node} is not paused` };
      return seen.connections === 0
        ? { holds: true, detail: null }
        : { holds: false, why: `${node} still has ${seen.connections} connections to servers` };
    },

    async act({ node }, world) {
      const config = poolerConfig(world, node);
      const beside = await world.consoleBeside(node).catch((error: unknown) => {
        throw new NotDone(text(error));
      });
      waiting.set(node, world.now());
      try {
        await pause(config, beside, world);
      } finally {
        await beside.close();
      }
    },
  };
}

function addressesOf({ name }: { readonly name: string }, world: World): readonly Address[] {
  const { conninfo, replication } = nodeConfig(world, name);
  const parsed = parseHosts(conninfo);
  return [...(parsed.ok ? parsed.addresses : []), replication];
}

function isAt(address: Address, { host, port }: Address): boolean {
  return port === address.port && (host === address.host || host === address.hostaddr);
}

/** Databases that still lead to another node, by what the pooler itself says. */
function ledElsewhere(
  config: PoolerConfig,
  { databases }: PoolerLook,
  { to, world }: { readonly to: string; readonly world: World },
): readonly string[] {
  const others = world.config.nodes.filter(({ name }) => name !== to);
  const places = others.flatMap((node) => addressesOf(node, world));
  return databases
    .filter(({ name }) => config.databases.length === 0 || config.databases.includes(name))
    .filter(({ address }) => !addressesOf({ name: to }, world).some((own) => isAt(own, address)))
    .filter(({ address }) => places.some((place) => isAt(place, address)))
    .map(({ name, address }) => `${name} at ${address.host}:${address.port}`);
}

/** What the user's command is told. */
function factsFor(step: ResumeStep, world: World): Readonly<Record<string, string>> {
  const place = (name: string | undefined) => {
    const [address] = name === undefined ? [] : addressesOf({ name }, world);
    if (address === undefined) return { host: "", port: "" };
    return { host: address.hostaddr ?? address.host, port: String(address.port) };
  };
  const [next, old] = [place(step.to), place(step.from)];
  return {
    REMASTER_CLUSTER: world.config.name,
    REMASTER_POOLER: step.node,
    REMASTER_PRIMARY: step.to ?? "",
    REMASTER_PRIMARY_HOST: next.host,
    REMASTER_PRIMARY_PORT: next.port,
    REMASTER_OLD_PRIMARY: step.from ?? "",
    REMASTER_OLD_PRIMARY_HOST: old.host,
    REMASTER_OLD_PRIMARY_PORT: old.port,
  };
}

/** Gives it the new address. What goes wrong is told, and keeps nobody waiting. */
async function readdress(step: ResumeStep, to: string, world: World): Promise<readonly string[]> {
  const config = poolerConfig(world, step.node);
  const failures: string[] = [];
  if (config.reconfigure !== null) {
    const timeoutMs = Math.min(reconfigureMs, world.remainingMs() / 2);
    const limit = { timeoutMs, secrets: secretsOf(world.config) };
    const why = await reconfigure(config.reconfigure, factsFor(step, world), limit);
    if (why !== null) failures.push(why);
  }
  try {
    const console = await world.console(step.node);
    await reloadPooler(console);
    const elsewhere = ledElsewhere(config, await look(config, world), { to, world });
    if (elsewhere.length > 0) failures.push(`it still leads to ${elsewhere.join(", ")}`);
  } catch (error) {
    failures.push(`RELOAD failed: ${text(error)}`);
  }
  return failures;
}

function createResumePerformer(waiting: Waiting): Performer<ResumeStep> {
  const told = new Set<string>();
  const lasted = new Map<string, number>();
  return {
    pollMs: 5,

    async holds({ node, to }, world) {
      if (to !== undefined && !told.has(node)) {
        return { holds: false, why: `${node} was not told of ${to}` };
      }
      const config = poolerConfig(world, node);
      const paused = isPaused(config, await look(config, world));
      if (paused) return { holds: false, why: `${node} is paused` };
      const ms = lasted.get(node);
      return { holds: true, detail: ms === undefined ? null : `clients waited ${ms} ms` };
    },

    async act(step, world) {
      const { node, to } = step;
      const config = poolerConfig(world, node);
      const failures = to === undefined ? [] : await readdress(step, to, world);
      await resumePooler(config, await world.console(node), () => world.pause(5));
      const since = waiting.get(node);
      if (since !== undefined) lasted.set(node, Math.round(world.now() - since));
      waiting.delete(node);
      if (failures.length > 0) {
        throw new Unfinished(`${failures.join("; ")}; resumed all the same`);
      }
      told.add(node);
    },
  };
}

export function createPoolerPerformers() {
  const waiting: Waiting = new Map();
  return { pause: createPausePerformer(waiting), resume: createResumePerformer(waiting) };
}
