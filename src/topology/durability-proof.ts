// Whether a commit that the lost primary acknowledged can be missing on the standbys that were reached. The server's
// rule (syncrep.c, 13 to 18): a commit waits until as many connections as synchronous_standby_names demands, of those that
// bear a listed name, have confirmed it. So nothing is missing where fewer than that many could have confirmed unseen.
// Whoever cannot be told for certain counts as unseen. Says nothing of sessions that lower synchronous_commit, nor of a
// standby counted twice while its lost connection lingers beside the new one.

import { parseSynchronousStandbyNames, type SynchronousStandbys } from "./durability.ts";

/** A connection that the primary had when it was last seen. */
export interface SeenSender {
  readonly applicationName: string;
  readonly syncState: string;
  /** The node whose connection it was for certain; null: somebody's. */
  readonly node: string | null;
}

/** What was seen on the primary itself: a standby's own copy of a setting proves nothing. */
export interface SynchronousSetting {
  /** synchronous_standby_names; null where it was not to be seen. */
  readonly synchronousStandbyNames: string | null;
  /** synchronous_commit; null where it was not to be seen, or is not everybody's. */
  readonly synchronousCommit: string | null;
  /** Null where they were not to be seen. */
  readonly senders: readonly SeenSender[] | null;
  /** Names of connections that may confirm and are no standbys. */
  readonly otherConfirmers: readonly string[];
}

/** A standby with what its receiver calls itself; null where that is not known. */
export interface NamedStandby {
  readonly node: string;
  readonly applicationName: string | null;
}

export interface ProofInput {
  readonly setting: SynchronousSetting;
  /** Standbys that were reached and whose WAL is, or becomes, the new primary's. */
  readonly reached: readonly NamedStandby[];
  /** Every other node but the primary. */
  readonly away: readonly NamedStandby[];
}

export type Proof =
  | {
      readonly kind: "proven";
      readonly demanded: number;
      readonly names: readonly string[];
      /** Who could have confirmed and was not reached: fewer than were demanded. */
      readonly unseen: readonly string[];
      /** The reached standbys that could have confirmed; null where a listed name is not one standby's own. */
      readonly confirmers: readonly string[] | null;
    }
  | { readonly kind: "asynchronous"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/** What every follower calls itself that was told nothing else (13 to 18). */
const defaultName = "walreceiver";

/** Levels at which a commit waits for synchronous standbys, and these have written or flushed it. */
const waiting: ReadonlySet<string> = new Set(["on", "remote_apply", "remote_write"]);

/** The settings with which `on`, `yes` and their like are written. */
export function levelOf(text: string): string {
  const level = text.toLowerCase();
  if (["true", "yes", "1"].includes(level)) return "on";
  return ["false", "no", "0"].includes(level) ? "off" : level;
}

/** True: a standby that confirmed has handed the WAL to its operating system, no more. */
export function onlyWrites(setting: SynchronousSetting): boolean {
  return levelOf(setting.synchronousCommit ?? "") === "remote_write";
}

export function proveDurability(input: ProofInput): Proof {
  const { synchronousStandbyNames: text, synchronousCommit } = input.setting;
  if (text === null || synchronousCommit === null) {
    const what = text === null ? "synchronous_standby_names" : "synchronous_commit";
    return { kind: "unknown", why: `${what} was not to be seen` };
  }
  if (text.trim() === "") {
    return { kind: "asynchronous", why: "no standby had to confirm (asynchronous)" };
  }
  const level = levelOf(synchronousCommit);
  if (!waiting.has(level)) {
    return { kind: "asynchronous", why: `commits did not wait (synchronous_commit = ${level})` };
  }
  const wanted = parseSynchronousStandbyNames(text);
  if (wanted === null) {
    return { kind: "unknown", why: `synchronous_standby_names cannot be read: ${text}` };
  }
  return prove(wanted, input);
}

function prove(wanted: SynchronousStandbys, input: ProofInput): Proof {
  const names = [...new Set(wanted.names.map((name) => name.toLowerCase()))];
  const claims = names.map((name) => (name === "*" ? claimOnAll(input) : claimOn(name, input)));
  const open = claims.find((claim) => claim.open !== null)?.open;
  if (open !== undefined && open !== null) return { kind: "unknown", why: open };
  const seen = new Set(claims.flatMap((claim) => claim.seen));
  const unseen = new Set(claims.flatMap((claim) => claim.unseen));
  if (seen.size === 0) {
    return { kind: "unknown", why: `none of ${wanted.names.join(", ")} was reached` };
  }
  if (unseen.size >= wanted.count) {
    const demand = `${wanted.count} of ${wanted.names.join(", ")} had to confirm`;
    const who = [...unseen].join(", ");
    return { kind: "unknown", why: `${demand}, and ${who} could have without being reached` };
  }
  return {
    kind: "proven",
    demanded: wanted.count,
    names: wanted.names,
    unseen: [...unseen],
    confirmers: claims.every((claim) => claim.own) ? [...seen] : null,
  };
}

/** Who may have confirmed under one entry of the list. */
interface Claim {
  /** Nodes that were reached. */
  readonly seen: readonly string[];
  /** Each of them one standby. */
  readonly unseen: readonly string[];
  /** Why there may have been any number of them; null where not. */
  readonly open: string | null;
  /** True: the name is one standby's own. */
  readonly own: boolean;
}

function isNamed(standby: { readonly applicationName: string | null }, name: string): boolean {
  return standby.applicationName?.toLowerCase() === name;
}

function claimOn(name: string, { setting, reached, away }: ProofInput): Claim {
  const bearers = reached.filter((standby) => isNamed(standby, name));
  const absent = away.filter((standby) => isNamed(standby, name));
  const rows = (setting.senders ?? []).filter((row) => isNamed(row, name));
  const others = setting.otherConfirmers.filter((other) => other.toLowerCase() === name);
  const known = rows.filter((row) => reached.some(({ node }) => node === row.node));
  const strangers = rows.filter((row) => !known.includes(row));
  // A name that several bear, or that anybody bears, is no standby's own.
  const owners = new Set([...bearers, ...absent, ...strangers].map((each) => each.node ?? each));
  const shared = name === defaultName || owners.size > 1;
  // Whoever is away and never told its name may bear this one.
  const nameless = away.filter((standby) => standby.applicationName === null);
  const seen = [...bearers.map(({ node }) => node), ...known.flatMap(({ node }) => node ?? [])];
  const unseen = [
    ...[...absent, ...nameless].map(({ node }) => node),
    ...strangers.map((row) => row.node ?? name),
    ...others.map(() => `${name}, which is no standby`),
  ];
  const claimed = seen.length + absent.length + strangers.length + others.length > 0;
  return {
    seen,
    // A name that nobody known bears is somebody's.
    unseen: claimed ? unseen : [...unseen, name],
    open: shared ? openTo(name, setting) : null,
    own: !shared,
  };
}

/** A shared name, or `*`: those who bore it when the primary was last seen have to be known, every one. */
function openTo(name: string, { senders }: SynchronousSetting): string | null {
  if (senders === null) return `who confirmed as ${name} was not to be seen`;
  const stranger = senders.find((row) => row.node === null && (name === "*" || isNamed(row, name)));
  if (stranger === undefined) return null;
  return `${name} let ${stranger.applicationName} confirm, which is no node of the topology file for certain`;
}

function claimOnAll({ setting, reached, away }: ProofInput): Claim {
  const [other] = setting.otherConfirmers;
  const open = openTo("*", setting);
  const rows = setting.senders ?? [];
  const gone = rows.flatMap(({ node }) =>
    node === null || reached.some((standby) => standby.node === node) ? [] : [node],
  );
  return {
    seen: reached.map(({ node }) => node),
    unseen: [...away.map(({ node }) => node), ...gone],
    open: open ?? (other === undefined ? null : `* let ${other} confirm, which is no standby`),
    own: false,
  };
}
