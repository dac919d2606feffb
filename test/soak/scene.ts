// One run of the soak as data, drawn from its seed: the cluster, who lags, who confirms, what is written, how the primary
// ends, and what goes wrong while the failover runs.

import { type Random, randomFrom } from "./random.ts";

export type PrimaryEnd = "killed" | "stopped" | "frozen";

export type Disturbance =
  | { readonly kind: "none" }
  /** To the operator or to a standby's server, so long after the failover began. */
  | { readonly kind: "operator-killed" | "interrupted"; readonly atMs: number }
  | {
      readonly kind: "server-killed" | "server-frozen" | "replication-cut";
      readonly atMs: number;
      readonly node: string;
    };

export interface Scene {
  readonly seed: number;
  readonly major: number;
  readonly standbys: number;
  /** Standby to its upstream, where that is not n1. */
  readonly cascade: Readonly<Record<string, string>>;
  readonly notPromotable: readonly string[];
  /** synchronous_standby_names; empty: nobody confirms. */
  readonly synchronous: string;
  readonly rowsPerCommit: number;
  /** Standbys that get nothing of the last writes. */
  readonly lagging: readonly string[];
  readonly end: PrimaryEnd;
  readonly disturbance: Disturbance;
  /** Whether the operator has looked at the cluster while the primary lived. */
  readonly looked: boolean;
  /** Whether a failover that did not finish is taken back before it is gone on with. */
  readonly undone: boolean;
}

interface Synchronous {
  /** synchronous_standby_names. */
  readonly names: string;
  /** How many of those below the primary a commit waits for. */
  readonly count: number;
}

function drawSynchronous(random: Random, direct: readonly string[]): Synchronous {
  const count = random.between(1, direct.length);
  const names = direct.join(", ");
  return random.pick([
    { names: "", count: 0 },
    { names: "", count: 0 },
    { names: `FIRST ${count} (${names})`, count },
    { names: `ANY ${count} (${names})`, count },
    { names: "*", count: 1 },
  ]);
}

/** Never so many that nobody is left to confirm: who waits for those that are cut off would write nothing. */
function drawLagging(
  random: Random,
  {
    names,
    direct,
    confirmers,
  }: Record<"names" | "direct", readonly string[]> & {
    readonly confirmers: number;
  },
): readonly string[] {
  const most = direct.length - Math.max(confirmers, 1);
  const lagging = direct.filter(() => random.chance(0.4)).slice(0, most);
  return names.filter(
    (name) => lagging.includes(name) || (!direct.includes(name) && random.chance(0.3)),
  );
}

function drawDisturbance(random: Random, standbys: readonly string[]): Disturbance {
  const atMs = random.between(60, 900);
  const kind = random.pick([
    "none",
    "none",
    "operator-killed",
    "interrupted",
    "server-killed",
    "server-frozen",
    "replication-cut",
  ] as const);
  if (kind === "none") return { kind };
  if (kind === "operator-killed" || kind === "interrupted") return { kind, atMs };
  return { kind, atMs, node: random.pick(standbys) };
}

export function drawScene(seed: number, majors: readonly number[]): Scene {
  const random = randomFrom(seed);
  const standbys = random.between(2, 6);
  const names = Array.from({ length: standbys }, (_, index) => `n${index + 2}`);
  const shape = random.pick(["flat", "flat", "chain", "tree"]);
  const cascade: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    if (shape === "flat" || index === 0) continue;
    const above = ["n1", ...names.slice(0, index)];
    const upstream = shape === "chain" ? names[index - 1] : random.pick(above);
    if (upstream !== undefined && upstream !== "n1") cascade[name] = upstream;
  }
  const direct = names.filter((name) => cascade[name] === undefined);
  const synchronous = drawSynchronous(random, direct);
  const leader = random.pick(names);
  return {
    seed,
    major: random.pick(majors),
    standbys,
    cascade,
    notPromotable: names.filter((name) => name !== leader && random.chance(0.3)),
    synchronous: synchronous.names,
    rowsPerCommit: random.pick([1, 1, 20, 2000]),
    lagging: drawLagging(random, { names, direct, confirmers: synchronous.count }),
    end: random.pick(["killed", "killed", "stopped", "frozen"]),
    disturbance: drawDisturbance(random, names),
    looked: random.chance(0.5),
    undone: random.chance(0.5),
  };
}

export function describeScene(scene: Scene): string {
  const { disturbance, cascade, lagging, notPromotable, synchronous } = scene;
  const edges = Object.entries(cascade).map(([standby, upstream]) => `${standby}<${upstream}`);
  const part = (name: string, values: readonly string[]): readonly string[] =>
    values.length === 0 ? [] : [`${name} ${values.join(",")}`];
  const what = "node" in disturbance ? `${disturbance.kind} ${disturbance.node}` : disturbance.kind;
  return [
    `pg ${scene.major}`,
    `${scene.standbys} standbys`,
    ...part("cascade", edges),
    ...part("not promotable", notPromotable),
    ...part("lagging", lagging),
    ...part("synchronous", synchronous === "" ? [] : [synchronous]),
    `${scene.rowsPerCommit} rows a commit`,
    `primary ${scene.end}`,
    "atMs" in disturbance ? `${what} at ${disturbance.atMs} ms` : "undisturbed",
    ...(scene.looked ? ["looked at before"] : []),
    ...(scene.undone ? ["undone"] : []),
  ].join("; ");
}
