// What a part of a run may take: the time that is left of it, held against every statement as well, so that a server that
// does not answer takes no more than its share.

import type { Session } from "../postgres/session.ts";
import type { World } from "./world.ts";

/** No act of ours takes a server seconds; one that does not answer must not take the run's time from the others. */
const statementMs = 5_000;

/** The session with what is left as the limit of every statement. */
export function limitSession(session: Session, remainingMs: () => number): Session {
  const query: Session["query"] = (sql, parameters, options) => {
    const timeoutMs = options?.timeoutMs ?? Math.min(statementMs, Math.max(100, remainingMs()));
    return session.query(sql, parameters, { timeoutMs });
  };
  return {
    backendPid: session.backendPid,
    version: session.version,
    get alive() {
      return session.alive;
    },
    get endedWith() {
      return session.endedWith;
    },
    query,
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** The same world for a part of the run alone, `ms` from now at most. */
export function limitWorld(world: World, ms: number): World {
  const until = world.now() + ms;
  const remainingMs = () => Math.max(0, Math.min(world.remainingMs(), until - world.now()));
  return {
    ...world,
    remainingMs,
    session: async (node) => limitSession(await world.session(node), remainingMs),
  };
}
