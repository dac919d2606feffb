// The version of the installed package, for --version and for bug reports. One small file read, nothing imported
// beyond the runtime, because `remaster --version` is measured.

import { existsSync, readFileSync } from "node:fs";

/** Where package.json stands, seen from the sources and from what they are bundled to. */
const places = ["../package.json", "../../package.json"];

export function readVersion(): string {
  const found = places
    .map((place) => new URL(place, import.meta.url))
    .find((url) => existsSync(url));
  if (found === undefined) throw new Error("package.json of pg-remaster is missing");
  const text = readFileSync(found, "utf8");
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
