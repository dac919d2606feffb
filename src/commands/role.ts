// `remaster role`: the SQL of a role for remaster that is no superuser. Prints it and changes nothing.

import { ConfigError, UsageError } from "../errors.ts";
import { renderRole } from "../plan/role.ts";
import type { Report } from "../plan/report.ts";
import { clusterMajor } from "../topology/structure.ts";
import { observeTopology } from "./change.ts";
import type { Context } from "./context.ts";
import { type Input, optionText, type VerbDefinition } from "./define.ts";
import { majors } from "./values.ts";

export const role: VerbDefinition = {
  name: "role",
  summary: "print the SQL of a role for remaster, no superuser",
  description: [
    "Prints the statements that make a role which all verbs work with, on PostgreSQL 15 and later. Run them on the primary: its standbys get the role with everything else, and once the primary is gone nobody can grant anything. They may be run again, and nothing is changed by printing them.",
    "Before 15 only a superuser may change settings with ALTER SYSTEM, and nobody can grant that. There the role that is printed can look (status, compare-lsn), and the verbs that change servers say which right they lack.",
    "The statements belong in the database `postgres`, where remaster should connect (`dbname`): rights on functions are kept per database. They set no password.",
  ],
  arguments: [],
  options: [
    {
      flag: "print",
      type: "value",
      placeholder: "NAME",
      kind: "sql-role",
      required: true,
      summary: "the name of the role",
    },
    {
      flag: "pg",
      type: "value",
      placeholder: "MAJOR",
      kind: "major",
      summary: "for this PostgreSQL major, without looking at a server",
      detail:
        "For this PostgreSQL major, without looking at a server. When it is not given, the cluster's own major; where no node lets us in, the newest.",
    },
  ],
  examples: [
    {
      command: "remaster role --print remaster",
      explanation: "for the major that the cluster runs",
    },
    {
      command: "remaster role --print remaster --pg 17 | psql --dbname postgres",
      explanation: "on the primary, as a superuser",
    },
  ],
  changes: false,
  standalone: true,
  outcomes: { done: "the statements were printed" },
  run: runRole,
};

/** Names that CREATE ROLE does not take (user.c): keywords that mean a role, and the prefix of predefined ones. */
function refuseReserved(name: string): void {
  const reserved = ["public", "none"].includes(name) || name.startsWith("pg_");
  if (reserved) throw new UsageError(`the role name "${name}" is reserved`, "choose another name");
}

async function majorOfCluster(context: Context): Promise<number | null> {
  try {
    return clusterMajor(await observeTopology(context));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.message, "say for which major with --pg, or which cluster");
  }
}

async function runRole(input: Input, context: Context): Promise<Report> {
  const name = optionText(input, "print") ?? "";
  refuseReserved(name);
  const wanted = optionText(input, "pg");
  const newest = Math.max(...majors);
  const major = wanted === null ? ((await majorOfCluster(context)) ?? newest) : Number(wanted);
  return {
    command: "role",
    cluster: null,
    outcome: "done",
    findings: [],
    word: null,
    summary: `the role for PostgreSQL ${major}`,
    text: renderRole(name, major),
  };
}
