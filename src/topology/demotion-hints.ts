// What a switchover that was cut short leaves behind is seen by many rules, each with a way out that is right elsewhere: start
// the server, fail over, point the standby back. Here each of them leads away from the one way that the mark of the demotion
// knows, so all that follows from it gives the same hint as the finding `demoted`.

import { findDemoted } from "./demoted.ts";
import type { Finding } from "./finding.ts";
import { ourNodes, type Structure } from "./structure.ts";

/** What is said of the demoted node itself. */
const ofItself: readonly Finding["code"][] = [
  "node-unreachable",
  "standby-not-following",
  "repoint-unsettled",
  "leftover-standby-signal",
];

/** What besides follows from it as long as nobody leads. */
const ofTheRest: readonly Finding["code"][] = [
  "no-primary",
  "upstream-cycle",
  "repoint-unsettled",
  "fenced",
];

export const goOnOrBack = "`remaster switchover` goes on, `remaster undo` takes it back";

/** Where nobody leads its start would be that of a standby, or, without standby.signal, of a second primary. */
export function demotionHint(name: string, leader: string | undefined): string {
  return leader === undefined
    ? `\`remaster switchover\` goes on, \`remaster undo\` makes ${name} the primary again`
    : `\`remaster rejoin ${name} --to ${leader}\``;
}

export function heedDemotions(
  structure: Structure,
  findings: readonly Finding[],
): readonly Finding[] {
  const [leader] = structure.primaries;
  const over = new Map(
    findDemoted(structure).map(({ name }) => [name, demotionHint(name, leader)]),
  );
  const about = ourNodes(structure).filter(
    ({ role, marks }) => role === "primary" && marks.demoted === true,
  );
  const itself = new Map([...about.map(({ name }) => [name, goOnOrBack] as const), ...over]);
  const [way] = leader === undefined ? over.values() : [];
  return findings.map((finding) => {
    const { code, node = "" } = finding;
    const own = ofItself.includes(code) ? itself.get(node) : undefined;
    if (own !== undefined) return { ...finding, hint: own };
    const follows = ofTheRest.includes(code) || isStarved(structure, finding, over);
    return way !== undefined && follows ? { ...finding, hint: way } : finding;
  });
}

/** Nothing comes from a node that is down, or is a standby of those that it fed. */
function isStarved(
  { edges }: Structure,
  { code, node = "" }: Finding,
  over: ReadonlyMap<string, string>,
): boolean {
  if (code === "upstream-unreachable") return over.has(node);
  return code === "standby-not-following" && over.has(edges.get(node)?.upstream ?? "");
}
