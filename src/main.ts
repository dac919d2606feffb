// The first thing that runs. `--version` is answered here, with nothing imported beyond the runtime; everything else is
// one file that is read only when it is needed.

import { readVersion } from "./cli/version.ts";

const argv = process.argv.slice(2);
const only = argv.length === 1 ? argv[0] : undefined;
if (only === "--version" || only === "-V") process.stdout.write(`${readVersion()}\n`);
else await (await import("./process.ts")).runProcess(argv);
