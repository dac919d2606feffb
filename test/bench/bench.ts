// `npm run bench`: speed as ratios against floors measured in the same run. Prints figures; asserts nothing, because a
// busy machine must not fail a build. `npm run bench -- --runs 7 --pg 18 --only failover`. Without --pg on 18, and the time
// without a commit in a switchover on 15 as well.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { measureFailover, type Times } from "./failover.ts";
import { alternate, median, type Ratio, show, timeCommand } from "./measure.ts";
import { benchSlotSync } from "./slot-sync.ts";
import { benchGaps, benchScenes } from "./switchover-rows.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "7" },
    pg: { type: "string" },
    only: { type: "string" },
  },
});
const runs = Number(values.runs);
const major = Number(values.pg ?? "18");
const root = fileURLToPath(new URL("../../../", import.meta.url));
const remaster = [process.execPath, `${root}bin/remaster.js`];
const floorScript = (name: string): string => `${root}test/bench/floors/${name}.js`;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

function clientConfigs(cluster: TestCluster, names: readonly string[]): readonly string[] {
  return names.map((name) => JSON.stringify(cluster.server(name).clientConfig()));
}

async function benchVersion(): Promise<void> {
  const times = await alternate(
    Math.max(runs, 15),
    () => timeCommand([process.execPath, "-e", "0"]),
    () => timeCommand([...remaster, "--version"]),
  );
  print(show({ what: "remaster --version against node -e 0", ...times, limit: 2 }));
}

async function benchStatus(): Promise<void> {
  await using cluster = await startCluster({ major, standbys: 3 });
  const names = cluster.servers.map((server) => server.name);
  const times = await alternate(
    Math.max(runs, 15),
    () => timeCommand([process.execPath, floorScript("status"), ...clientConfigs(cluster, names)]),
    () => timeCommand([...remaster, "status", "--config", cluster.configFile, "--quiet"]),
  );
  print(show({ what: `remaster status on four nodes (${major})`, ...times, limit: 1.5 }));
}

function floorFailover(cluster: TestCluster): readonly string[] {
  const names = cluster.servers.map((server) => server.name).filter((name) => name !== "n1");
  return [process.execPath, floorScript("failover"), "0", ...clientConfigs(cluster, names)];
}

function ourFailover(cluster: TestCluster): readonly string[] {
  const config = ["--config", cluster.configFile];
  return [
    ...remaster,
    "failover",
    "--to",
    "n2",
    "--primary-is-dead",
    "--yes",
    "--quiet",
    ...config,
  ];
}

/** The bare script and remaster, with 3 and with 6 standbys, one after the other in each round. */
async function benchFailover(): Promise<void> {
  const floors: number[] = [];
  const floorsOfSix: number[] = [];
  const ours: Times[] = [];
  const oursOfSix: Times[] = [];
  for (let run = 0; run < runs; run += 1) {
    const bare = { major, command: floorFailover, awaitStandbys: false };
    const whole = { major, command: ourFailover, awaitStandbys: true };
    floors.push((await measureFailover({ ...bare, standbys: 3 })).firstWrite);
    ours.push(await measureFailover({ ...whole, standbys: 3 }));
    floorsOfSix.push((await measureFailover({ ...bare, standbys: 6 })).firstWrite);
    oursOfSix.push(await measureFailover({ ...whole, standbys: 6 }));
  }
  const floor = median(floors);
  const first = median(ours.map((times) => times.firstWrite));
  const all = median(ours.map((times) => times.allStreaming ?? Number.NaN));
  print(show({ what: `failover to first write (${major})`, floor, measured: first, limit: 2.5 }));
  print(show({ what: `failover to all streaming (${major})`, floor, measured: all, limit: 5 }));
  const six = median(oursOfSix.map((times) => times.firstWrite));
  print(
    show({
      what: `failover with 6 standbys against 3 (${major})`,
      floor: first,
      measured: six,
      limit: 4 / 3,
    }),
  );
  print(
    show({
      what: `the bare script with 6 standbys against 3 (${major})`,
      floor,
      measured: median(floorsOfSix),
      limit: null,
    }),
  );
}

async function benchSwitchover(): Promise<void> {
  const bench = {
    programs: { floor: [process.execPath, floorScript("switchover")], remaster },
    runs: Math.max(runs, 9),
    show: (ratio: Ratio) => {
      print(show(ratio));
    },
    print,
  };
  await benchGaps(major, bench);
  await benchScenes(major, bench);
  if (values.pg === undefined) await benchGaps(15, bench);
}

async function benchPass(): Promise<void> {
  // No slot can be made on a standby before.
  if (major < 16) return;
  await benchSlotSync(major, {
    runs: Math.max(runs, 15),
    show: (ratio) => {
      print(show(ratio));
    },
  });
}

const benches = {
  version: benchVersion,
  status: benchStatus,
  failover: benchFailover,
  switchover: benchSwitchover,
  "slot-sync": benchPass,
};

for (const [name, bench] of Object.entries(benches)) {
  if (values.only === undefined || values.only === name) await bench();
}
