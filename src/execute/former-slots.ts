// The slots by which a former primary fed those who follow another node now: as a standby it would hold WAL for them until its
// disk is full. Drops none that is in use, and none that no other node of the topology file names as its own.
// Of its logical slots that live on under the new primary those go that it cannot keep as copies: with the failover flag (17+)
// they keep the server from making its own, and before 16 nothing tells whether replay has taken from them what they need.

import { dropLogicalSlot } from "../postgres/consumer-slots.ts";
import { settingText } from "../topology/settings.ts";
import { uselessCopies } from "../topology/slot-leftovers.ts";
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

/** Throws where one stays. */
export async function dropUselessCopies(node: string, to: string, world: World): Promise<void> {
  const structure = buildStructure(world.config.name, await world.observe([node, to]));
  const [former, leader] = [reachedNode(structure, node), reachedNode(structure, to)];
  if (former?.role !== "standby" || leader?.role !== "primary") return;
  const session = await world.session(node);
  for (const slotName of uselessCopies(former, leader)) await dropLogicalSlot(session, slotName);
}
