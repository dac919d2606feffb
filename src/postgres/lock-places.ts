// The servers on which a run holds the lock of its cluster or tries for it: trying, giving back, who stands in the way.
// A server that goes away while it is asked is taken off the list: nobody waits for it.

import type { Finding } from "../topology/finding.ts";
import { endHolder, findHolder, type Holder, isSameRun, tryLock, unlock } from "./lock.ts";
import { mayNotEndFinding } from "./lock-findings.ts";
import type { LockOwner } from "./lock-owner.ts";
import type { Place } from "./lock-place.ts";
import { ConnectionLost } from "./session.ts";

/** By node; null where nobody holds the lock any more. */
export type Rivals = ReadonlyMap<string, Holder | null>;

export class LockPlaces {
  readonly #owner: LockOwner;
  readonly #places = new Map<string, Place>();

  constructor(owner: LockOwner) {
    this.#owner = owner;
  }

  get(name: string): Place | undefined {
    return this.#places.get(name);
  }

  put(place: Place): void {
    this.#places.set(place.name, place);
  }

  remove(name: string): void {
    this.#places.delete(name);
  }

  /** By the age of the servers: the same order for everybody, whatever their topology files call them. */
  all(): readonly Place[] {
    const age = ({ startedAt, name }: Place): string => `${startedAt} ${name}`;
    return [...this.#places.values()].toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  missing(): readonly Place[] {
    return this.all().filter(({ how }) => how === "none");
  }

  /** Whether it is held there now, or the node went away. */
  async try(place: Place): Promise<boolean> {
    try {
      const { locked, startedAt } = await tryLock(place.session);
      place.startedAt = startedAt;
      place.how = locked ? "own" : "none";
      return locked;
    } catch (error) {
      this.#wentAway(place, error);
      return true;
    }
  }

  /** Who holds it where it is missing. Where that is a session of our own run, it counts as shared. */
  async rivals(): Promise<Rivals> {
    const rivals = new Map<string, Holder | null>();
    const look = async (place: Place): Promise<void> => {
      try {
        const holder = await findHolder(place.session);
        if (holder !== null && isSameRun(this.#owner, holder)) place.how = "shared";
        else rivals.set(place.name, holder);
      } catch (error) {
        this.#wentAway(place, error);
      }
    };
    await Promise.all(this.missing().map(look));
    return rivals;
  }

  /** Gives back what comes after the first server that lacks it. */
  async keepFirst(): Promise<void> {
    const order = this.all();
    const first = order.findIndex(({ how }) => how === "none");
    if (first !== -1) await this.#giveBack(order.slice(first));
  }

  async giveBackAll(): Promise<void> {
    await this.#giveBack(this.all());
  }

  async #giveBack(places: readonly Place[]): Promise<void> {
    const give = async (place: Place): Promise<void> => {
      place.how = "none";
      await unlock(place.session).catch((error: unknown) => {
        this.#wentAway(place, error);
      });
    };
    await Promise.all(places.filter(({ how }) => how === "own").map(give));
  }

  /** Ends the runs of the rivals, on every server; gives what was not allowed. */
  async end(rivals: Rivals): Promise<readonly Finding[]> {
    const marks = [...rivals.values()].flatMap((holder) => holder?.owner?.mark ?? []);
    const wanted = marks.length === 0 ? [null] : [...new Set(marks)];
    const endAt = async (place: Place): Promise<readonly Finding[]> => {
      const holder = rivals.get(place.name) ?? null;
      try {
        for (const mark of wanted) {
          const reason = await endHolder(place.session, { pid: holder?.pid ?? null, mark });
          if (reason !== null) return [mayNotEndFinding(place.name, holder, reason)];
        }
      } catch (error) {
        this.#wentAway(place, error);
      }
      return [];
    };
    return (await Promise.all(this.all().map(endAt))).flat();
  }

  /** Whether a session of our run holds it on another server than this one: asked, not remembered. */
  async holdsBeside(name: string): Promise<boolean> {
    return this.#isOurs(this.all().filter((place) => place.name !== name && place.how !== "none"));
  }

  /** Whether the run around ours still holds it anywhere. */
  async isShared(): Promise<boolean> {
    return this.#isOurs(this.all().filter(({ how }) => how === "shared"));
  }

  async #isOurs(places: readonly Place[]): Promise<boolean> {
    const asked = places.filter(({ session }) => session.alive);
    const holders = await Promise.all(
      asked.map(({ session }) => findHolder(session).catch(() => null)),
    );
    return holders.some((holder) => holder !== null && isSameRun(this.#owner, holder));
  }

  #wentAway(place: Place, error: unknown): void {
    if (!(error instanceof ConnectionLost)) throw error;
    this.remove(place.name);
  }
}
