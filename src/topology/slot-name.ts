// The name of a standby's physical slot, by one rule: so that whoever finds a slot knows whether remaster made it, and for
// whom. Slot names take lower-case letters, digits and underscores, 63 bytes at most (NAMEDATALEN).

/** The slot of a standby on its upstream: what it names already, else one made from its node name. */
export function physicalSlotName(node: string, existing: string | null): string {
  if (existing !== null && existing !== "") return existing;
  const plain = node
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, "_")
    .slice(0, 45);
  // Two node names that come out the same must not share a slot.
  return plain === node ? `remaster_${plain}` : `remaster_${plain}_${checksum(node)}`;
}

/** The slot on a primary that holds catalogue rows for a standby's copies of logical slots, and no WAL. It counts on the timeline
 * alone that it was made on: whoever led meanwhile may have vacuumed. Never the name of a standby's own slot. */
export function holdSlotName(node: string, timeline: number): string {
  return `${holdPrefix(node)}${timeline.toFixed(0)}`;
}

function holdPrefix(node: string): string {
  const plain = node
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, "_")
    .slice(0, 25);
  return `remasterhold_${plain === node ? plain : `${plain}_${checksum(node)}`}_t`;
}

/** Whether a slot holds catalogue rows for that standby, or did, on whichever timeline; for any standby where none is given. */
export function isHoldSlotName(name: string, node: string | null = null): boolean {
  const prefix = node === null ? "remasterhold_" : holdPrefix(node);
  return name.startsWith(prefix) && /_t\d+$/.test(name.slice(prefix.length - 2));
}

/** FNV-1a over UTF-16 units, 32 bits, as eight hexadecimal digits. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
