// What is said of the measured switchovers: the time without a commit against the bare script, for either way of holding
// writes off, under load and with synchronous standbys; and what it takes with more standbys against one.

import { pgbenchLike, singleRows } from "./gap-client.ts";
import { median, type Ratio } from "./measure.ts";
import { type Lap, measureLaps, type Programs, type Track } from "./switchover.ts";

export interface Bench {
  readonly programs: Programs;
  readonly runs: number;
  readonly show: (ratio: Ratio) => void;
  readonly print: (line: string) => void;
}

const gapOf = (laps: readonly Lap[]): number => median(laps.map(({ gapMs }) => gapMs));
const handOverOf = (laps: readonly Lap[]): number => median(laps.map((lap) => lap.handOverMs));

async function compare(what: string, track: Track, bench: Bench): Promise<readonly Lap[]> {
  const [measured] = await measureLaps([track], bench.programs, bench.runs);
  const { floor = [], remaster = [] } = measured ?? {};
  const both = { floor: gapOf(floor), measured: gapOf(remaster) };
  bench.show({ what: `switchover, ${what} (${track.major})`, ...both, limit: 1.5 });
  // A lap of ours is longer than one of the script: on a busy machine more of it is somebody else's pause.
  const alone = { floor: handOverOf(floor), measured: handOverOf(remaster) };
  bench.show({
    what: "between the last on the one and the first on the other",
    ...alone,
    limit: null,
  });
  return remaster;
}

function usual(major: number): Track {
  return { how: "stop", major, standbys: 3, load: singleRows };
}

/** The time without an acknowledged commit, the old primary shut down or fenced. */
export async function benchGaps(major: number, bench: Bench): Promise<void> {
  await compare("no commit", usual(major), bench);
  await compare("no commit, by an SQL fence", { ...usual(major), how: "fence" }, bench);
}

/** Under load, synchronous, and with more standbys. */
export async function benchScenes(major: number, bench: Bench): Promise<void> {
  const load = pgbenchLike;
  await compare(`no commit of ${load.clients} busy clients`, { ...usual(major), load }, bench);
  const settings = { synchronous_standby_names: "ANY 1 (*)" };
  const laps = await compare("no commit, synchronous", { ...usual(major), settings }, bench);
  const back = median(laps.map(({ backAfterMs }) => backAfterMs));
  bench.print(`synchronous: a commit ${back.toFixed(1)} ms before the old primary streams again`);
  await benchSizes(major, bench);
}

async function benchSizes(major: number, { programs, runs, show }: Bench): Promise<void> {
  const sizes = [1, 3, 6];
  const tracks = sizes.map((standbys) => ({ ...usual(major), standbys }));
  const [one, ...more] = await measureLaps(tracks, programs, runs);
  if (one === undefined) return;
  for (const [index, each] of more.entries()) {
    const against = `with ${String(sizes[index + 1])} standbys against 1 (${major})`;
    const ours = { floor: gapOf(one.remaster), measured: gapOf(each.remaster) };
    show({ what: `switchover, no commit ${against}`, ...ours, limit: 1.25 });
    const bare = { floor: gapOf(one.floor), measured: gapOf(each.floor) };
    show({ what: `the bare script ${against}`, ...bare, limit: null });
  }
}
