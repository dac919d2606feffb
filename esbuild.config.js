// Bundles our own modules, one chunk per verb and room that is loaded late; packages stay outside. Nearly a hundred small
// modules cost 40 to 60 ms of processor time per start on Node 20, which a failover would spend before its first look.
// Types come from tsc beside it.

import { build } from "esbuild";

await build({
  entryPoints: ["src/main.ts", "src/index.ts", "src/topology/index.ts", "src/cli/generate.ts"],
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.17",
  packages: "external",
  outbase: "src",
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  logLevel: "warning",
});
