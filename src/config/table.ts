// Reads the tables of a TOML document: every key is known or an error that names the nearest known one, every value
// has its type. Messages give the path of a key (`nodes.n1.dsn`) and never a value, which may hold a password.

import { nearestWord } from "../conninfo/nearest.ts";
import { ConfigError } from "../errors.ts";

/** A table and where it stands: the file and the path of keys. */
export interface Table {
  readonly file: string;
  /** Empty for the document itself. */
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export function complaint(table: Table, message: string, hint?: string): ConfigError {
  return new ConfigError(`${table.file}: ${message}`, hint);
}

/** `nodes.n1.dsn`: how a key of the table is called in messages. */
export function pathOf(table: Table, key: string): string {
  const shown = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
  return table.path === "" ? shown : `${table.path}.${shown}`;
}

export function rejectUnknown(table: Table, known: readonly string[]): void {
  for (const key of Object.keys(table.values)) {
    if (known.includes(key)) continue;
    const near = nearestWord(key, known);
    throw complaint(
      table,
      `unknown key ${pathOf(table, key)}${near === null ? "" : `, did you mean "${near}"?`}`,
      near === null ? `known here: ${known.join(", ")}` : undefined,
    );
  }
}

export function textAt(table: Table, key: string): string | null {
  const value = table.values[key];
  if (value === undefined) return null;
  if (typeof value === "string") return value;
  throw wrongType(table, key, "text in quotes");
}

export function textsAt(table: Table, key: string): readonly string[] | null {
  const value = table.values[key];
  if (value === undefined) return null;
  const isText = (each: unknown): each is string => typeof each === "string";
  if (Array.isArray(value) && value.every(isText)) return value;
  throw wrongType(table, key, "a list of texts in quotes");
}

export function flagAt(table: Table, key: string): boolean | null {
  const value = table.values[key];
  if (value === undefined) return null;
  if (typeof value === "boolean") return value;
  throw wrongType(table, key, "true or false");
}

export function integerAt(table: Table, key: string): number | null {
  const value = table.values[key];
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw wrongType(table, key, "a whole number");
}

/** A value of a connection keyword: text, or a number or true and false, which libpq writes 1 and 0. */
export function wordAt(table: Table, key: string): string {
  const value = table.values[key];
  if (typeof value === "string") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  throw wrongType(table, key, "text or a whole number");
}

export function tableAt(table: Table, key: string): Table | null {
  const value = table.values[key];
  if (value === undefined) return null;
  if (isTable(value)) return { file: table.file, path: pathOf(table, key), values: value };
  throw wrongType(table, key, "a table");
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    // A TOML date is an object too.
    !(value instanceof Date)
  );
}

function wrongType(table: Table, key: string, wanted: string): ConfigError {
  return complaint(table, `${pathOf(table, key)} must be ${wanted}`);
}
