// The rehearsal: real servers, a client that writes, the worst moment for the primary to die, a failover, and then the
// proof by what the client was told. n4 may never lead and is the only one that gets the last rows: only an exchange
// saves them. What no surviving node had is lost by asynchronous replication, whoever fails over; it is counted apart.

import { counted } from "../topology/counted.ts";
import type { Rehearsal, RehearsalCheck, RehearsalEvent } from "./rehearsal.ts";
import { rehearsalDirectory, resolveDirectory } from "./directory.ts";
import { acknowledgedNumbers, compareLedger } from "./ledger.ts";
import { layoutOf } from "./layout.ts";
import { makeSandbox } from "./make.ts";
import { cutNodes, joinNodes } from "./network.ts";
import { conninfoOf, openSession } from "./operator.ts";
import { removeSandbox } from "./remove.ts";
import { killServer } from "./server.ts";
import { type SandboxNode, type SandboxState, serverOf } from "./state.ts";
import { numbersOf, surveyNodes } from "./survey.ts";
import { createLedger, longestGap, startWorkload, type Workload } from "./workload.ts";

export interface RehearsalWish {
  /** Null: a new directory, named in the account. */
  readonly directory: string | null;
  readonly major?: number;
  readonly bindir?: string;
  readonly resolveFrom?: readonly string[];
  /** Leave the cluster running afterwards. */
  readonly keep: boolean;
  readonly signal?: AbortSignal;
  readonly failover: (
    configFile: string,
  ) => Promise<{ readonly done: boolean; readonly summary: string }>;
  readonly tell: (event: RehearsalEvent) => void;
}

const standbys = 3;
const lastOnly = "n4";
const commitsEverywhere = 100;
const commitsOnOne = 50;
const commitsAfter = 50;
const everyMs = 2;
const patienceMs = 20_000;

/** Runs it to its verdict. Throws where the rehearsal itself could not be held. */
export async function rehearse(wish: RehearsalWish): Promise<Rehearsal> {
  const began = performance.now();
  const events: RehearsalEvent[] = [];
  const say = (text: string) => {
    const event = { atMs: Math.round(performance.now() - began), text };
    events.push(event);
    wish.tell(event);
  };
  const directory =
    wish.directory === null ? await rehearsalDirectory() : await resolveDirectory(wish.directory);
  const state = await raise(wish, directory, say);
  const nodes = state.nodes.map((node) => ({
    name: node.name,
    conninfo: conninfoOf(state, node, "app"),
  }));
  const client = startWorkload({ nodes, everyMs });
  try {
    const verdict = await play({ state, client, wish, say });
    return { ...verdict, events, version: state.version, ...kept(wish, directory) };
  } finally {
    await client.stop();
    if (!wish.keep) await removeSandbox(directory);
  }
}

const kept = (wish: RehearsalWish, directory: string) =>
  wish.keep
    ? { directory, configFile: layoutOf(directory).config }
    : { directory: null, configFile: null };

type Say = (text: string) => void;

async function raise(wish: RehearsalWish, directory: string, say: Say): Promise<SandboxState> {
  say(`in ${directory}`);
  const state = await makeSandbox({
    directory,
    standbys,
    notPromotable: [lastOnly],
    ...(wish.major === undefined ? {} : { major: wish.major }),
    ...(wish.bindir === undefined ? {} : { bindir: wish.bindir }),
    ...(wish.resolveFrom === undefined ? {} : { resolveFrom: wish.resolveFrom }),
    ...(wish.signal === undefined ? {} : { signal: wish.signal }),
  });
  say(`PostgreSQL ${state.version}: n1 leads, n2, n3 and n4 stream from it; n4 may never lead`);
  try {
    await using session = await openSession(state, nodeOf(state, "n1"), { role: "app" });
    await createLedger(session);
  } catch (error) {
    await removeSandbox(directory);
    throw error;
  }
  return state;
}

function nodeOf(state: SandboxState, name: string): SandboxNode {
  const node = state.nodes.find((entry) => entry.name === name);
  if (node === undefined) throw new Error(`the rehearsal has no node ${name}`);
  return node;
}

interface Stage {
  readonly state: SandboxState;
  readonly client: Workload;
  readonly wish: RehearsalWish;
  readonly say: Say;
}

type Verdict = Omit<Rehearsal, "events" | "version" | "directory" | "configFile">;

async function play(stage: Stage): Promise<Verdict> {
  const { client, say, wish } = stage;
  const patience = { timeoutMs: patienceMs, signal: wish.signal };
  await client.waitForMore(commitsEverywhere, patience);
  say(`a client writes a row every ${everyMs} ms: ${client.acknowledgements.length} acknowledged`);
  const state = await cutNodes(stage.state, ["n2", "n3"]);
  const atCut = client.acknowledgements.length;
  await client.waitForMore(commitsOnOne, patience);
  const sinceCut = client.acknowledgements.length - atCut;
  say(`n2 and n3 are cut off: ${sinceCut} more rows acknowledged, and ${lastOnly} alone gets them`);
  wish.signal?.throwIfAborted();
  await killServer(serverOf(state, "n1"));
  const atKill = client.acknowledgements.length;
  say(`n1 is killed under load, with ${counted(atKill, "row")} acknowledged`);
  const survivors = await surviving(state);
  const survived = takeStock(acknowledgedNumbers(client.acknowledgements), survivors);
  say(stockText(survived));
  const joined = await joinNodes(state, ["n2", "n3"]);
  say("n2 and n3 reach the others again; nobody leads");
  wish.signal?.throwIfAborted();
  const failoverBegan = performance.now();
  const failoverAtMs = client.now();
  const failover = await wish.failover(layoutOf(state.directory).config);
  say(
    `remaster failover: ${failover.summary} (${Math.round(performance.now() - failoverBegan)} ms)`,
  );
  if (failover.done) await client.waitForMore(commitsAfter, patience);
  await client.stop();
  return judge({ ...stage, state: joined, failover, survived, atKill, failoverAtMs });
}

/** What became of the rows that were acknowledged before n1 died. */
interface Stock {
  /** Some surviving node has it. */
  readonly survived: readonly number[];
  /** Of those: had by n4 alone. */
  readonly onOneAlone: number;
  /** No surviving node has it. */
  readonly died: number;
}

async function surviving(state: SandboxState): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const standing = state.nodes.filter((node) => node.name !== "n1");
  const entries = await Promise.all(
    standing.map(async (node) => [node.name, await numbersOf(state, node)] as const),
  );
  return new Map(entries);
}

function takeStock(
  acknowledged: readonly number[],
  survivors: ReadonlyMap<string, ReadonlySet<number>>,
): Stock {
  const holders = (number: number) =>
    [...survivors].filter(([, numbers]) => numbers.has(number)).map(([name]) => name);
  const survived = acknowledged.filter((number) => holders(number).length > 0);
  return {
    survived,
    onOneAlone: survived.filter((number) => holders(number).join() === lastOnly).length,
    died: acknowledged.length - survived.length,
  };
}

function stockText(stock: Stock): string {
  const { survived, onOneAlone, died } = stock;
  const have = `the surviving nodes have ${died === 0 ? "all" : survived.length} of them`;
  const lost = died === 0 ? "" : `; ${died} died with n1, as asynchronous replication allows`;
  return `${have}, ${lastOnly} alone has ${onOneAlone}${lost}`;
}

/** What the new primary has of the rows that it must have: those that survived, and those acknowledged since. */
function keptText(rows: {
  readonly leader: string | null;
  readonly survived: readonly number[];
  readonly after: readonly number[];
  readonly missing: readonly number[];
}): string {
  const { leader, survived, after, missing } = rows;
  const lost = new Set(missing);
  const kept = (wanted: readonly number[]) =>
    `${wanted.filter((number) => !lost.has(number)).length} of ${wanted.length}`;
  return `${leader ?? "nobody"} has ${kept(survived)} acknowledged rows that a surviving node had, and ${kept(after)} acknowledged since`;
}

async function judge(
  played: Stage & {
    readonly failover: { readonly done: boolean; readonly summary: string };
    readonly survived: Stock;
    /** How many commits were acknowledged by then. */
    readonly atKill: number;
    /** On the client's clock. */
    readonly failoverAtMs: number;
  },
): Promise<Verdict> {
  const { state, client, failover, survived, say } = played;
  const survey = await surveyNodes(state);
  const leader = survey.writable.length === 1 ? (survey.writable[0] ?? null) : null;
  const present =
    leader === null ? new Set<number>() : await numbersOf(state, nodeOf(state, leader));
  const after = acknowledgedNumbers(client.acknowledgements.slice(played.atKill));
  const { missing } = compareLedger([...survived.survived, ...after], present);
  const back = client.acknowledgements[played.atKill];
  const gap = longestGap(client.acknowledgements);
  const followers = ["n2", "n3", "n4"].filter((name) => name !== leader);
  const absent = followers.filter((name) => !survey.following.includes(name));
  const checks: readonly RehearsalCheck[] = [
    {
      name: "rows-on-one-alone",
      holds: survived.onOneAlone > 0,
      detail: `when n1 died, ${lastOnly} alone had ${counted(survived.onOneAlone, "acknowledged row")}`,
    },
    { name: "failover", holds: failover.done, detail: failover.summary },
    {
      name: "no-row-lost",
      holds: leader !== null && missing.length === 0,
      detail: keptText({ leader, survived: survived.survived, after, missing }),
    },
    {
      name: "one-primary",
      holds: leader !== null && leader !== lastOnly,
      detail: `takes writes: ${survey.writable.join(", ") || "nobody"}`,
    },
    {
      name: "all-follow",
      holds: leader !== null && absent.length === 0,
      detail: `streaming on timeline ${survey.timeline ?? "unknown"}: ${survey.following.join(", ") || "nobody"}`,
    },
  ];
  for (const check of checks) say(`${check.holds ? "holds" : "FAILS"}: ${check.detail}`);
  return {
    passed: checks.every((check) => check.holds),
    checks,
    newPrimary: leader,
    acknowledged: acknowledgedNumbers(client.acknowledgements).length,
    survived: survived.survived.length,
    died: survived.died,
    missing: missing.length,
    longestGapMs: Math.round(gap?.ms ?? 0),
    writesBackMs: back === undefined ? null : Math.round(back.atMs - played.failoverAtMs),
  };
}
