import { expect, test } from "vitest";
import type { Guarantee } from "../../../src/plan/guarantee.ts";
import { paint, plainStyles } from "../../../src/ui/colour.ts";
import { renderGuarantee } from "../../../src/ui/guarantee.ts";
import { lookFor } from "../../../src/ui/look.ts";

const look = lookFor({ env: { LANG: "C.UTF-8" }, isTTY: false, columns: 60, colour: false });

const proven: Guarantee = {
  kind: "proven",
  basis: "n1 had synchronous_standby_names = 'n2' when it was seen 12 s ago",
  primary: "n1",
  observedAt: 0,
  distanceBytes: 0n,
  synchronous: true,
  unreached: [],
  confirmers: ["n2"],
};

test.each<[Partial<Guarantee>, string]>([
  [{}, "guarantee: no acknowledged commit can be missing"],
  [{ kind: "unproven" }, "no guarantee: acknowledged commits may be lost"],
  [
    { kind: "unproven", synchronous: false },
    "guarantee: all that any standby on its line has; what only the old primary had is lost",
  ],
  [{ kind: "unproven", unreached: ["n3"] }, "no guarantee: acknowledged commits may be lost"],
  [
    { kind: "ahead-unreachable", unreached: ["n3"] },
    "no guarantee: acknowledged commits may be lost",
  ],
])("%j", (changes, promise) => {
  const text = paint(renderGuarantee({ ...proven, ...changes }, look), plainStyles);
  expect(text.split("\n")).toEqual([
    promise,
    "  n1 had synchronous_standby_names = 'n2' when it was seen",
    "  12 s ago",
    "",
  ]);
});
