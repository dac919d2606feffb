// Bundles our own modules; packages stay outside. Nearly three hundred small modules would cost more processor time at each
// start than a failover takes before its first look. The program is two files: one that answers `--version` alone, and
// one with everything else, whose parts are evaluated only when they are asked for. The library is bundled beside it.
// Types come from tsc.

import { build } from "esbuild";

const common = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.17",
  packages: "external",
  outbase: "src",
  outdir: "dist",
  logLevel: "warning",
};

/** Leaves the one import of main.ts that waits an import of the file beside it. */
const apart = {
  name: "apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/process\.ts$/ }, () => ({ path: "./process.js", external: true })),
};

await build({ ...common, entryPoints: ["src/main.ts"], plugins: [apart] });
await build({ ...common, entryPoints: ["src/process.ts"] });
await build({
  ...common,
  entryPoints: ["src/index.ts", "src/topology/index.ts", "src/cli/generate.ts"],
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
});
