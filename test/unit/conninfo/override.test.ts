import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Address } from "../../../src/conninfo/conninfo.ts";
import { formatConninfo } from "../../../src/conninfo/format.ts";
import { keywords } from "../../../src/conninfo/keywords.ts";
import {
  forgetSlots,
  markExchanging,
  markQuiesced,
  markRepointed,
  markRestoreQuiesced,
  markSlotMade,
  readMarks,
  readRestoreMark,
  readSlotMark,
  type SlotPlace,
  withoutMarks,
} from "../../../src/conninfo/override.ts";
import { parseConninfo } from "../../../src/conninfo/parse.ts";

function value(result: ReturnType<typeof markQuiesced>): string {
  if (!result.ok) throw new Error(result.message);
  return result.value;
}

const upstream: Address = { host: "10.0.0.2", hostaddr: null, port: 5433 };

describe("marks on primary_conninfo", () => {
  test.each([
    ["", " hostaddr='' host=/remaster/quiesced port=5432"],
    ["host=a port=1", "host=a port=1 hostaddr='' host=/remaster/quiesced port=5432"],
    ["host=a ", "host=a  hostaddr='' host=/remaster/quiesced port=5432"],
    ["postgresql://u@h/db", "postgresql://u@h/db?host=%2Fremaster%2Fquiesced&port=5432&hostaddr="],
    [
      "postgresql://u@h?port=1",
      "postgresql://u@h?port=1&host=%2Fremaster%2Fquiesced&port=5432&hostaddr=",
    ],
    ["postgresql://h?", "postgresql://h?port=5432&host=%2Fremaster%2Fquiesced&hostaddr="],
    [
      "postgresql://h?port=1&",
      "postgresql://h?port=1&port=5432&host=%2Fremaster%2Fquiesced&hostaddr=",
    ],
    [
      "postgresql://u:p?w@h/db",
      "postgresql://u:p?w@h/db?host=%2Fremaster%2Fquiesced&port=5432&hostaddr=",
    ],
  ])("quiesce %j", (base, marked) => {
    expect(markQuiesced(base)).toEqual({ ok: true, value: marked });
    expect(readMarks(marked)).toEqual({
      base,
      quiesced: true,
      repointing: null,
      exchanging: false,
      slotsAt: [],
    });
  });

  test.each([
    ["", " hostaddr='' host='10.0.0.2' port=5433 target_session_attrs=any"],
    [
      "host=a target_session_attrs=read-write",
      "host=a target_session_attrs=read-write hostaddr='' host='10.0.0.2' port=5433 target_session_attrs=any",
    ],
    [
      "postgresql://h/db",
      "postgresql://h/db?host=10.0.0.2&port=5433&hostaddr=&target_session_attrs=any",
    ],
  ])("repoint %j", (base, marked) => {
    expect(markRepointed(base, upstream)).toEqual({ ok: true, value: marked });
    expect(readMarks(marked)).toEqual({
      base,
      quiesced: false,
      repointing: upstream,
      exchanging: false,
      slotsAt: [],
    });
  });

  test("a mark on a marked value replaces the mark", () => {
    const base = "host=a password='x y'";
    const quiesced = value(markQuiesced(base));
    const repointed = value(markRepointed(quiesced, upstream));
    expect(repointed).toBe(value(markRepointed(base, upstream)));
    expect(value(markQuiesced(repointed))).toBe(quiesced);
    expect(value(markQuiesced(quiesced))).toBe(quiesced);
  });

  test.each(["host=a port=1", "", "postgresql://u@h/db", "postgresql://h?port=1&"])(
    "what %j says of the slot stays legible until all is taken back",
    (base) => {
      const told = value(markRepointed(base, upstream, { named: true, made: true, on: "n-2.a" }));
      const slotsAt = [{ address: upstream, node: "n-2.a" }];
      expect(readSlotMark(told)).toEqual({ named: true, made: true, on: "n-2.a" });
      expect(readMarks(told)).toMatchObject({ base, repointing: upstream, exchanging: false });
      const stilled = value(markQuiesced(told));
      expect(readMarks(stilled)).toMatchObject({ base, quiesced: true, slotsAt });
      expect(readSlotMark(stilled)).toEqual({ named: true, made: false, on: null });
      const exchanging = value(markExchanging(stilled, upstream));
      expect(readMarks(exchanging)).toMatchObject({ base, exchanging: true, slotsAt });
      expect(readSlotMark(exchanging)).toEqual({ named: true, made: true, on: "n-2.a" });

      const again = markRepointed(told, upstream);
      expect(again).toEqual({ ok: true, value: told });
      const elsewhere = value(markRepointed(told, { ...upstream, port: 1 }));
      expect(readSlotMark(elsewhere)).toEqual({ named: true, made: false, on: null });
      expect(readMarks(elsewhere)).toMatchObject({ base, slotsAt });
    },
  );

  test.each(["host=a", "", "postgresql://u@h/db", "postgresql://h?port=1&"])(
    "a slot made for the node of %j is told of until it is gone",
    (base) => {
      const [n3, n4] = [upstream, { ...upstream, host: "10.0.0.3" }].map((address, index) => {
        return { address, node: `n${index + 3}` };
      }) as [SlotPlace, SlotPlace];
      const still = value(markQuiesced(base));
      const announced = value(markSlotMade(still, n3));
      const streaming = value(markExchanging(announced, n3.address));
      expect(readMarks(announced)).toMatchObject({ base, quiesced: true, slotsAt: [n3] });
      expect(readMarks(streaming)).toEqual({
        base,
        quiesced: false,
        repointing: n3.address,
        exchanging: true,
        slotsAt: [n3],
      });
      expect(value(markQuiesced(streaming))).toBe(announced);
      expect(value(forgetSlots(announced, [n3]))).toBe(still);
      expect(value(forgetSlots(announced, [n4]))).toBe(announced);
      expect(value(forgetSlots(streaming, [n3]))).toBe(value(markExchanging(base, n3.address)));
      expect(value(forgetSlots(base, [n3]))).toBe(base);

      // Somebody else goes on from there, with another node.
      const twice = value(markExchanging(value(markSlotMade(announced, n4)), n4.address));
      expect(readMarks(twice)).toMatchObject({ base, exchanging: true, slotsAt: [n4, n3] });
      const led = { ...upstream, host: "10.0.0.4" };
      const away = value(markRepointed(twice, led));
      expect(readMarks(away)).toMatchObject({ base, exchanging: false, slotsAt: [n4, n3] });
      expect(forgetSlots(away, [n4, n3])).toEqual(markRepointed(base, led));
    },
  );

  test("what ends like the slot's part of a mark is no mark", () => {
    const base = "host=a fallback_application_name=remaster-named";
    expect(readMarks(base)).toMatchObject({ base, quiesced: false, repointing: null });
    expect(readSlotMark(base)).toEqual({ named: false, made: false, on: null });
    const marked = value(markQuiesced(base));
    expect(readMarks(marked)).toMatchObject({ base, quiesced: true });
    expect(readSlotMark(marked)).toEqual({ named: false, made: false, on: null });
  });

  test("marks that were put on top of each other all come off", () => {
    const twice = `${value(markRepointed("host=a", upstream))} hostaddr='' host=/remaster/quiesced port=5432`;
    expect(readMarks(twice)).toEqual({
      base: "host=a",
      quiesced: true,
      repointing: null,
      exchanging: false,
      slotsAt: [],
    });
  });

  test.each([
    "host='a",
    "password=abc\\",
    "foo",
    "hots=a",
    "postgresql://[::1",
    "postgresql://h?port",
    "password='x hostaddr='' host=/remaster/quiesced port=5432",
  ])("%j is refused", (base) => {
    expect(markQuiesced(base)).toMatchObject({ ok: false });
    expect(markRepointed(base, upstream)).toMatchObject({ ok: false });
    expect(withoutMarks(base)).toBe(base);
  });

  test.each([
    "host=a port=1",
    "application_name=' hostaddr=\\'\\' host=/remaster/quiesced port=5432'",
    "password='' hostaddr='' host=/remaster/quiesced port=5433",
    "hostaddr='' host=/remaster/quiesced port=5432",
    "host='10.0.0.2' port=5433 target_session_attrs=any",
    "postgresql://h/db?host=other&port=5432&hostaddr=",
  ])("%j bears no mark", (text) => {
    expect(readMarks(text)).toEqual({
      base: text,
      quiesced: false,
      repointing: null,
      exchanging: false,
      slotsAt: [],
    });
  });

  const words = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
  const written = fc
    .dictionary(fc.constantFrom(...keywords), words)
    .map((conninfo) => formatConninfo(conninfo));
  const piece = fc.constantFrom(
    "host=",
    "port=",
    "password=",
    "'",
    "\\",
    " ",
    "=",
    "a",
    "5432",
    "&",
    "?",
    "%",
    "@",
    "/",
    ":",
    "[",
    "]",
    " hostaddr='' host=/remaster/quiesced port=5432",
    "&hostaddr=",
    "host='x'",
    "user=é",
  );
  const arbitrary = fc
    .tuple(
      fc.constantFrom("", "postgresql://", "postgres://u:p@h/db?", "host=a "),
      fc.array(piece, { maxLength: 12 }),
    )
    .map(([start, pieces]) => start + pieces.join(""));
  const base = fc.oneof(written, words, arbitrary);
  const address: fc.Arbitrary<Address> = fc.record({
    host: words.filter((host) => !host.includes(",")),
    hostaddr: fc.constantFrom(null, "10.0.0.9", "::1"),
    port: fc.integer({ min: 1, max: 65_535 }),
  });

  test("come off exactly, or are refused", () => {
    fc.assert(
      fc.property(base, address, (text, to) => {
        fc.pre(readMarks(text).base === text);
        for (const marked of [markQuiesced(text), markRepointed(text, to)]) {
          if (!marked.ok) continue;
          expect(withoutMarks(marked.value)).toBe(text);
          expect(marked.value.startsWith(text)).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("tell of every slot, whatever is put in their place, and come off exactly", () => {
    type Act = (text: string, to: Address) => ReturnType<typeof markQuiesced>;
    const acts = fc.constantFrom<Act>(
      markQuiesced,
      markRepointed,
      markExchanging,
      (text, to) => markRepointed(text, to, { named: true, made: true, on: "n3" }),
      (text, to) => markExchanging(text, to, { named: false, made: true, on: null }),
      (text, address) => markSlotMade(text, { address, node: "n4" }),
      (text, address) => forgetSlots(text, [{ address, node: null }]),
    );
    const steps = fc.array(fc.tuple(acts, address), { maxLength: 5 });
    fc.assert(
      fc.property(base, steps, address, (text, taken, last) => {
        fc.pre(readMarks(text).base === text);
        let marked = text;
        for (const [act, to] of taken) {
          const next = act(marked, to);
          if (next.ok) marked = next.value;
        }
        const told = readMarks(marked).slotsAt;
        for (const act of [markQuiesced, markRepointed, markExchanging]) {
          const next = act(marked, last);
          if (!next.ok) continue;
          expect(readMarks(next.value).base).toBe(text);
          expect(new Set(readMarks(next.value).slotsAt)).toEqual(new Set(told));
        }
        const place = { address: last, node: "n5" };
        const announced = markSlotMade(marked, place);
        if (announced.ok) expect(readMarks(announced.value).slotsAt).toContainEqual(place);
        const forgotten = forgetSlots(marked, told);
        if (forgotten.ok) expect(readMarks(forgotten.value).slotsAt).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  test("lead where they say, and leave every other parameter alone", () => {
    fc.assert(
      fc.property(written, address, (text, to) => {
        const before = parseConninfo(text);
        const after = parseConninfo(value(markRepointed(text, to)));
        if (!before.ok || !after.ok) throw new Error("does not parse");
        expect(after.conninfo).toEqual({
          ...before.conninfo,
          host: to.host,
          hostaddr: to.hostaddr ?? "",
          port: String(to.port),
          target_session_attrs: "any",
        });
        expect(readMarks(value(markRepointed(text, to))).repointing).toEqual(to);
      }),
    );
  });
});

describe("the mark on restore_command", () => {
  test("stands in front and comes off exactly", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (command) => {
        fc.pre(!command.startsWith("false # "));
        const marked = markRestoreQuiesced(command);
        if (/[\n\r]/.test(command)) {
          expect(marked).toMatchObject({ ok: false });
          return;
        }
        expect(readRestoreMark(value(marked))).toEqual({ base: command, quiesced: command !== "" });
      }),
    );
  });

  test("is put once", () => {
    const once = value(markRestoreQuiesced("cp /archive/%f %p"));
    expect(once).toBe("false # cp /archive/%f %p");
    expect(value(markRestoreQuiesced(once))).toBe(once);
  });

  test("several lines are refused by name", () => {
    expect(markRestoreQuiesced("a\nb")).toEqual({
      ok: false,
      message: "restore_command has several lines, so it cannot be disabled in place",
    });
  });
});
