// The version of the installed package, for --version and for bug reports. One small file read, nothing imported
// beyond the runtime, because `remaster --version` is measured.

import { readFileSync } from "node:fs";

export function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
