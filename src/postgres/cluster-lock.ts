// The lock of a cluster: on every node that can be reached, or on none. Each session of the run holds it on its own server,
// so that whoever ends the session takes lock and hand away at once: nothing is done to a node over a session without it.
// States: free -> held -> lost, or free -> refused; what is lost is never held again. Refuses to hold a part of the nodes.

import type { Finding } from "../topology/finding.ts";
import type { ClusterConfig, NodeConfig } from "../topology/node.ts";
import { ConnectFailure } from "./connect-failure.ts";
import {
  describeHolder,
  findHolder,
  type Holder,
  isSameRun,
  replaceStale,
  unlock,
} from "./lock.ts";
import { lockedFindings, lostFinding, unavailableFinding } from "./lock-findings.ts";
import { formatOwner, givesWay, type LockOwner } from "./lock-owner.ts";
import { openPlace, type Place } from "./lock-place.ts";
import { LockPlaces, type Rivals } from "./lock-places.ts";
import { type Patience, pollFor } from "./poll.ts";
import { ConnectionLost, QueryError, type Session } from "./session.ts";

/** The `remaster lock` that a run belongs to. */
export interface LockParent {
  readonly owner: LockOwner;
  lives(): boolean;
}

export interface ClusterLockOptions {
  readonly config: ClusterConfig;
  /** Within `remaster lock` it bears the mark of that run. */
  readonly owner: LockOwner;
  readonly parent: LockParent | null;
  /** `opening`: each session tries as it opens, before anything else is asked of it. `asked`: first when asked for. */
  readonly when: "opening" | "asked";
  /** What to do where another run holds it. */
  readonly rival: "refuse" | "end";
}

/** `late`: it came only after the sessions had been used to look. */
export type LockAnswer =
  | { readonly kind: "held"; readonly late: boolean; readonly nodes: readonly string[] }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** The lock was lost; the message says how. */
export class LockLost extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.message);
    this.name = "LockLost";
    this.finding = finding;
  }
}

/** A run that is just ending, or that tries at the same moment as we do, is waited for so long, milliseconds. */
const graceMs = 1_000;
/** How long the end of another run's sessions may take. */
const endMs = 10_000;
/** And that of a pass of slot-sync, which is ended once the grace is over. */
const passMs = 4_000;
/** A session that was away for less left no room for a run of somebody else's. */
const blinkMs = 1_000;
const everyMs = 20;

/** admin_shutdown: pg_terminate_backend(), and a shutdown of the server. */
const endedByCommand = "57P01";

const parentGone =
  "the `remaster lock` around this run does not hold the lock of this cluster (any more)";

export class ClusterLock {
  readonly #options: ClusterLockOptions;
  readonly #places: LockPlaces;
  readonly #attempted = new Set<string>();
  readonly #obstacles = new Map<string, Finding>();
  #open: (node: string) => Promise<unknown> = () => Promise.resolve();
  #state: "free" | "held" | "refused" | "lost" = "free";
  #lost: Finding | null = null;

  constructor(options: ClusterLockOptions) {
    this.#options = options;
    this.#places = new LockPlaces(options.owner);
  }

  get held(): boolean {
    return this.#state === "held";
  }

  /** Set as soon as it is known. */
  get lost(): Finding | null {
    return this.#lost;
  }

  /** The nodes on which this run, or the `remaster lock` around it, holds it. */
  get nodes(): readonly string[] {
    return this.#places.all().flatMap(({ name, how }) => (how === "none" ? [] : [name]));
  }

  /** Opens a session that can hold the lock, and takes it where this is the time to. Throws as connect() does. */
  async connect(
    node: NodeConfig,
    wish: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Session> {
    const { when, owner } = this.#options;
    const held = this.#state === "held";
    this.#attempted.add(node.name);
    this.#obstacles.delete(node.name);
    const place = await openPlace(
      {
        ...wish,
        node,
        name: formatOwner(owner),
        tries: held || (this.#state === "free" && when === "opening"),
      },
      (obstacle) => this.#obstacles.set(node.name, obstacle),
    );
    if (held) await this.#judge(place);
    else this.#places.put(place);
    return place.session;
  }

  /** Takes the lock on every node that lets us in, or nowhere. `open` opens a node's session, by way of connect(). */
  async take(open: (node: string) => Promise<unknown>, patience: Patience): Promise<LockAnswer> {
    this.#open = open;
    if (this.#state === "held") return { kind: "held", late: false, nodes: this.nodes };
    await this.#openAll();
    if (this.#obstacles.size > 0) return await this.#refuse([...this.#obstacles.values()]);
    const before = new Set(this.nodes);
    if (this.#options.when === "asked") {
      await Promise.all(this.#places.missing().map((place) => this.#places.try(place)));
    }
    const opposed = await this.#settle(patience);
    if (opposed !== null) return await this.#refuse(opposed);
    if (!this.#parentHolds()) return await this.#refuse([lostFinding(null, parentGone)]);
    this.#state = "held";
    const late = this.#places.all().some(({ name, how }) => how === "own" && !before.has(name));
    return { kind: "held", late, nodes: this.nodes };
  }

  /** Before something is changed: null while the lock holds. A node that went away takes nothing from it. */
  async check(): Promise<Finding | null> {
    if (this.#state !== "held") return this.#lost;
    const { parent } = this.#options;
    if (parent !== null && !(parent.lives() && (await this.#places.isShared()))) {
      return this.#lose(null, parentGone);
    }
    for (const place of this.#places.all()) {
      const { name, session, gone } = place;
      if (session.alive || gone || session.endedWith !== endedByCommand) continue;
      // Whether somebody ended it or the server went down shows when it is asked for again.
      await this.#tryOpen(name);
      place.gone = true;
    }
    return this.#lost;
  }

  /** Its end will tell nothing: the server is looked at again once it has come back, as after any absence. */
  expectEnd(node: string): void {
    const place = this.#places.get(node);
    if (place !== undefined) place.gone = true;
  }

  /** While others do the work: takes it again on nodes that were away. Null while it holds. */
  async keep(): Promise<Finding | null> {
    const again = async (place: Place): Promise<void> => {
      if (!place.session.alive) await this.#tryOpen(place.name);
      else if (place.how === "shared" && this.#options.parent === null) {
        await this.#places.try(place);
      }
    };
    await Promise.all(this.#places.all().map(again));
    for (const [name, holder] of await this.#places.rivals()) {
      if (holder !== null) this.#lose(name, `${describeHolder(holder)} has the lock of ${name}`);
    }
    return await this.check();
  }

  async #tryOpen(name: string): Promise<void> {
    try {
      await this.#open(name);
    } catch (error) {
      // Who lets us in and then does not answer is away like one who does not.
      const isAway = [ConnectFailure, LockLost, ConnectionLost, QueryError].some(
        (kind) => error instanceof kind,
      );
      if (!isAway) throw error;
    }
  }

  async #openAll(): Promise<void> {
    const away = this.#places.all().filter(({ session }) => !session.alive);
    for (const { name } of away) {
      this.#places.remove(name);
      this.#attempted.delete(name);
    }
    const names = this.#options.config.nodes.map(({ name }) => name);
    await Promise.all(
      names.filter((name) => !this.#attempted.has(name)).map((name) => this.#tryOpen(name)),
    );
  }

  /** Goes on until it is held everywhere: null. Else what stands against it. Of several that try at once the one wins that
   * has the first server in order: everybody gives back what comes after the first that they lack. */
  async #settle(patience: Patience): Promise<readonly Finding[] | null> {
    let rivals = await this.#places.rivals();
    if (rivals.size === 0) return null;
    const ends = this.#options.rival === "end";
    const isPass = this.#mayEndPass(rivals);
    const began = performance.now();
    const round = async (): Promise<readonly Finding[] | null> => {
      patience.signal?.throwIfAborted();
      const over = performance.now() - began > graceMs && this.#mayEndPass(rivals);
      const forbidden = ends || over ? await this.#places.end(rivals) : [];
      // Where a pass may not be ended, its own end is waited for a little longer.
      if (ends && forbidden.length > 0) return forbidden;
      await this.#places.keepFirst();
      for (const place of this.#places.missing()) {
        if (!(await this.#places.try(place))) break;
      }
      rivals = await this.#places.rivals();
      return rivals.size === 0 ? [] : null;
    };
    const limitMs = ends ? endMs : isPass ? graceMs + passMs : graceMs;
    const timeoutMs = Math.min(limitMs, patience.timeoutMs);
    const settled = await pollFor(round, { ...patience, timeoutMs, everyMs });
    if (settled === null) return oppositionOf(this.#inFileOrder(rivals));
    return settled.length === 0 ? null : settled;
  }

  /** A pass of slot-sync never keeps another verb from its work; nor does one pass end another. */
  #mayEndPass(rivals: Rivals): boolean {
    const owners = [...rivals.values()].map((holder) => holder?.owner ?? null);
    return (
      !givesWay(this.#options.owner) && owners.every((each) => each !== null && givesWay(each))
    );
  }

  #inFileOrder(rivals: Rivals): Rivals {
    const names = this.#options.config.nodes.map(({ name }) => name);
    return new Map(
      [...rivals].toSorted(([one], [other]) => names.indexOf(one) - names.indexOf(other)),
    );
  }

  /** A run within `remaster lock` goes on only while that one is there: without it somebody may have been at work. */
  #parentHolds(): boolean {
    const { parent } = this.#options;
    if (parent === null) return true;
    return parent.lives() && this.#places.all().some(({ how }) => how === "shared");
  }

  async #refuse(findings: readonly Finding[]): Promise<LockAnswer> {
    this.#state = "refused";
    await this.#places.giveBackAll();
    return { kind: "refused", findings };
  }

  /** A session that was opened while the lock is held: whether nobody else can have had it meanwhile. */
  async #judge(place: Place): Promise<void> {
    const obstacle = this.#obstacles.get(place.name);
    if (obstacle !== undefined) {
      this.#lose(place.name, obstacle.message);
      return;
    }
    const before = this.#places.get(place.name);
    if (place.how === "none") {
      await this.#judgeRefused(place, before);
      return;
    }
    const doubt = before === undefined ? null : await this.#doubt(place, before);
    if (doubt === null) {
      this.#places.put(place);
      return;
    }
    await unlock(place.session).catch(() => undefined);
    await this.#loseTo(place, doubt);
  }

  /** Why somebody else may have held it between the two sessions; null where nobody can have. */
  async #doubt(place: Place, before: Place): Promise<string | null> {
    if (before.how === "none") return null;
    const sameServer = before.startedAt === place.startedAt;
    if (sameServer && before.session.endedWith === endedByCommand) {
      return `the session that held the lock on ${place.name} was ended`;
    }
    const awayMs = Date.now() - before.heardAt;
    if (awayMs < blinkMs || (await this.#places.holdsBeside(place.name))) return null;
    return `nothing was heard of ${place.name} for ${Math.round(awayMs / 1000)} s, and the lock was held nowhere else`;
  }

  async #judgeRefused(place: Place, before: Place | undefined): Promise<void> {
    const holder = await findHolder(place.session);
    const ours = holder !== null && isSameRun(this.#options.owner, holder) ? holder : null;
    const isStale = before?.how === "own" && ours?.pid === before.session.backendPid;
    if (ours !== null && !isStale) place.how = "shared";
    else if (ours !== null && (await replaceStale(place.session, ours))) place.how = "own";
    if (place.how === "none")
      await this.#loseTo(place, `another run has the lock of ${place.name}`);
    else this.#places.put(place);
  }

  /** Whoever ended our session takes the lock next: worth a moment, to name them. */
  async #loseTo(place: Place, why: string): Promise<void> {
    const look = () => findHolder(place.session);
    const taker = await pollFor(look, { timeoutMs: 300, everyMs }).catch(() => null);
    const by = taker === null ? "" : `; it is held by ${describeHolder(taker)} now`;
    this.#lose(place.name, `${why}${by}`);
  }

  #lose(node: string | null, why: string): Finding {
    this.#state = "lost";
    this.#lost ??= lostFinding(node, why);
    return this.#lost;
  }
}

function oppositionOf(rivals: Rivals): readonly Finding[] {
  const holders = [...rivals].filter((each): each is [string, Holder] => each[1] !== null);
  if (holders.length > 0) return lockedFindings(new Map(holders));
  return [...rivals.keys()].map((name) =>
    unavailableFinding(name, "it could not be had, though nobody is seen to hold it"),
  );
}
