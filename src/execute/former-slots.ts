// The slots by which a former primary fed those who follow another node now: as a standby it would hold WAL for them until its
// disk is full. Drops none that is in use, and none that no other node of the topology file names as its own.

import { settingText } from "../topology/settings.ts";
import { reachedNode, reachedNodes, type Structure } from "../topology/structure.ts";
import { buildStructure } from "../topology/topology.ts";
import { dropped } from "./slots.ts";
import type { World } from "./world.ts";

function formerSlots(structure: Structure, node: string): readonly string[] {
  const gone = reachedNodes(structure)
    .filter(({ name }) => name !== node && structure.edges.get(name)?.upstream !== node)
    .map((other) => settingText(other, "primary_slot_name"));
  const slots = reachedNode(structure, node)?.slots ?? [];
  return slots
    .filter(({ slotType, active }) => slotType === "physical" && !active)
    .map(({ slotName }) => slotName)
    .filter((name) => gone.includes(name));
}

/** What cannot be dropped is told. */
export async function dropFormerSlots(node: string, world: World): Promise<void> {
  const structure = buildStructure(world.config.name, await world.observe());
  for (const slotName of formerSlots(structure, node)) {
    const gone = await dropped({ upstream: node, slotName }, world);
    if (gone.holds) continue;
    world.note({
      code: "slot-left",
      severity: "warning",
      node,
      message: `slot ${slotName} is left on ${node}: ${gone.why}`,
      hint: `remaster drop-slot ${node} --slot ${slotName}`,
    });
  }
}
