// The SQL that makes remaster's role, without superuser, for one major. Text only: nothing here is sent to a server.
// The name is quoted wherever it stands, and never stands in a comment, which a line break in it would end.

import { quoteIdentifier } from "../topology/identifier.ts";
import { canGrantParameters, rightsOn } from "../topology/rights.ts";

/** A dollar quote that the text does not end. */
function dollarQuote(text: string): string {
  let tag = "$role$";
  for (let index = 1; text.includes(tag); index += 1) tag = `$role${index}$`;
  return `${tag}${text}${tag}`;
}

function createLines(role: string): readonly string[] {
  const body = ["BEGIN", `  CREATE ROLE ${role} LOGIN REPLICATION;`]
    .concat("EXCEPTION WHEN duplicate_object THEN", `  ALTER ROLE ${role} LOGIN REPLICATION;`)
    .concat("END");
  return `DO ${dollarQuote(` ${body.join("\n")} `)};`.split("\n");
}

function head(major: number): readonly string[] {
  const versions = canGrantParameters(major)
    ? `PostgreSQL ${major}`
    : `PostgreSQL ${major}, to look`;
  return [
    `-- A role for remaster on ${versions}, without superuser.`,
    "-- Run it on the primary, in the database postgres, as a superuser; it may be run again.",
    "-- How the role logs in is yours to say: \\password, pg_hba.conf, a certificate.",
  ];
}

/** What a role cannot be given before 15, and what follows from that. */
function limits(major: number): readonly string[] {
  if (canGrantParameters(major)) return [];
  return [
    `-- On PostgreSQL ${major} only a superuser may ALTER SYSTEM, and that cannot be granted (15 and later can).`,
    "-- With this role status and compare-lsn work; the verbs that change servers are refused,",
    "-- unless it is made a superuser: ALTER ROLE ... SUPERUSER.",
  ];
}

/** The statements, line by line. Running them twice is harmless. */
export function renderRole(name: string, major: number): readonly string[] {
  const role = quoteIdentifier(name);
  const { memberships, functions, views, parameters } = rightsOn(major);
  return [
    ...head(major),
    ...limits(major),
    "BEGIN;",
    ...createLines(role),
    `GRANT CONNECT ON DATABASE postgres TO ${role};`,
    `GRANT ${memberships.join(", ")} TO ${role};`,
    ...functions.map((signature) => `GRANT EXECUTE ON FUNCTION ${signature} TO ${role};`),
    ...views.map((view) => `GRANT SELECT ON ${view} TO ${role};`),
    ...parameters.map((each) => `GRANT SET, ALTER SYSTEM ON PARAMETER ${each} TO ${role};`),
    "COMMIT;",
  ];
}
