// `npm run soak -- --runs 200 --seed 1`: scenes drawn at random, played on real servers, a line for each. Stops at the first
// that breaks what must always be true, with the seed that brings it back: `--runs 1 --seed SEED`.

import { parseArgs } from "node:util";
import { describeScene, drawScene } from "./scene.ts";
import { play } from "./run.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    pg: { type: "string", default: "15,18" },
  },
});
const runs = Number(values.runs);
const seed = Number(values.seed);
const majors = values.pg.split(",").map(Number);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

let lost = 0;
for (let run = 0; run < runs; run += 1) {
  const scene = drawScene(seed + run, majors);
  const began = performance.now();
  const played = await play(scene).catch((error: unknown) => {
    print(`seed ${scene.seed}: ${describeScene(scene)}`);
    throw error;
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { acknowledged, guarantee, statuses, violations } = played;
  lost += played.lost;
  print(
    `seed ${scene.seed}: ${describeScene(scene)}: exit ${statuses.join(", ")}; ${guarantee}; ${acknowledged} acknowledged, ${played.lost} on no standby; ${seconds} s: ${violations.length === 0 ? "ok" : violations.join("; ")}`,
  );
  if (violations.length > 0) {
    print(`again: npm run soak -- --runs 1 --seed ${scene.seed} --pg ${values.pg}`);
    process.exit(1);
  }
}
print(`${runs} runs, nothing that a surviving standby had was lost; ${lost} rows had reached none`);
