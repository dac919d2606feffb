// Lays connection parameters over each other in libpq's order: what is written, then the service it names, then the
// environment; each fills only what is unset above it. One thing is ours: whoever says where a node is says it all, so
// that PGHOSTADDR, say, cannot lead every node of a file to one server.

import type { Conninfo } from "../conninfo/conninfo.ts";
import { environmentConninfo } from "./environment.ts";
import type { Surroundings } from "./find-file.ts";
import { readService } from "./service-file.ts";

/** The written parameters of one node. */
export interface Written {
  /** The node's own. */
  readonly dsn: Conninfo;
  /** Under every node's. */
  readonly connect: Conninfo;
}

/** Complete parameters: services are looked up and gone, empty values dropped. */
export async function completeConninfo(written: Written, around: Surroundings): Promise<Conninfo> {
  const { dsn, connect } = written;
  const own = dsn["service"] ?? "";
  const shared = connect["service"] ?? around.env["PGSERVICE"] ?? "";
  const complete: Record<string, string> = {};
  const layers = [
    dsn,
    own === "" ? {} : await readService(own, around),
    connect,
    // One service at most, as in libpq: the nearest one named.
    own !== "" || shared === "" ? {} : await readService(shared, around),
    environmentConninfo(around.env),
  ];
  for (const layer of layers) fill(complete, layer);
  delete complete["service"];
  return complete;
}

function fill(complete: Record<string, string>, layer: Conninfo): void {
  const placed = isPlaced(complete);
  for (const [keyword, value] of Object.entries(layer)) {
    if (value === "" || complete[keyword] !== undefined) continue;
    if (placed && (keyword === "host" || keyword === "hostaddr")) continue;
    complete[keyword] = value;
  }
}

function isPlaced(conninfo: Conninfo): boolean {
  return conninfo["host"] !== undefined || conninfo["hostaddr"] !== undefined;
}
