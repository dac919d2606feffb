// Who holds a lock, legible to everybody who may look at pg_stat_activity: the application_name of each session of a run.
// `remaster failover ann@laptop 4711.k3f9` is the verb, the operator, and the run's own mark: its process and four letters
// that tell it from another process of that number. PostgreSQL keeps 63 bytes of the name, and no byte that is not ASCII.

export interface LockOwner {
  readonly verb: string;
  /** `user@host` of the operator's machine. */
  readonly operator: string;
  readonly pid: number;
  /** Process and letters: `4711.k3f9`. What runs within `remaster lock` bears the mark of that run. */
  readonly mark: string;
}

const maxBytes = 63;

/** What would end the word, or not come back from the server as it was sent, is put as `?`. */
function word(text: string): string {
  return text === "" ? "?" : text.replaceAll(/[^\x21-\x7e]/g, "?");
}

export function makeOwner(facts: {
  readonly verb: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly letters: string;
}): LockOwner {
  const { verb, pid } = facts;
  const mark = `${pid}.${facts.letters}`;
  const room = maxBytes - `remaster ${verb}  ${mark}`.length;
  const operator = `${word(facts.user)}@${word(facts.host)}`.slice(0, room);
  return { verb, operator, pid, mark };
}

/** A pass of slot-sync can be done again at any time: nobody who changes anything else has to wait for its end. */
export function givesWay({ verb }: LockOwner): boolean {
  return verb === "slot-sync";
}

/** The application_name of the owner's sessions. */
export function formatOwner({ verb, operator, mark }: LockOwner): string {
  return `remaster ${verb} ${operator} ${mark}`;
}

/** Null for a name that is not one of ours. */
export function parseOwner(name: string): LockOwner | null {
  const match = /^remaster (\S+) (\S+) ((\d+)\.[a-z0-9]+)$/.exec(name);
  const [, verb, operator, mark, pid] = match ?? [];
  if (verb === undefined || operator === undefined || mark === undefined) return null;
  return { verb, operator, mark, pid: Number(pid) };
}
