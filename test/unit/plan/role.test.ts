// The SQL of remaster's role: what it grants per major, and that a name cannot leave its quotes.

import { describe, expect, test } from "vitest";
import { renderRole } from "../../../src/plan/role.ts";
import { quoteIdentifier } from "../../../src/topology/identifier.ts";
import { majors } from "../../../src/commands/values.ts";

describe("the role", () => {
  test.each([15, 16, 17, 18])("may change what the verbs change on %d", (major) => {
    const lines = renderRole("remaster", major);
    for (const name of ["primary_conninfo", "primary_slot_name", "restore_command"]) {
      expect(lines).toContain(`GRANT SET, ALTER SYSTEM ON PARAMETER ${name} TO "remaster";`);
    }
    expect(lines).toContain('GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO "remaster";');
    expect(lines.filter((line) => line.includes("pg_log_standby_snapshot"))).toHaveLength(
      major >= 16 ? 1 : 0,
    );
  });

  test.each([13, 14])("cannot change settings on %d, and says so", (major) => {
    const text = renderRole("remaster", major).join("\n");
    expect(text).not.toMatch(/ON PARAMETER|pg_checkpoint/);
    expect(text).toMatch(new RegExp(`On PostgreSQL ${major} only a superuser may ALTER SYSTEM`));
    expect(text).toContain('GRANT pg_monitor, pg_signal_backend TO "remaster";');
  });

  test.each(majors)("is made in one transaction, in the database that is fixed, on %d", (major) => {
    const lines = renderRole("remaster", major).filter((line) => !line.startsWith("--"));
    expect([lines[0], lines.at(-1)]).toEqual(["BEGIN;", "COMMIT;"]);
    expect(lines).toContain('GRANT CONNECT ON DATABASE postgres TO "remaster";');
    expect(lines.join("\n")).not.toContain("SUPERUSER");
  });

  test("its name stays in its quotes", () => {
    expect(quoteIdentifier('a"; DROP TABLE t; --')).toBe('"a""; DROP TABLE t; --"');
    const name = 'x $role$ $role1$\n"y';
    const text = renderRole(name, 17).join("\n");
    const quoted = '"x $role$ $role1$\n""y"';
    expect(text.split(quoted).join("NAME")).toMatch(
      /^DO \$role2\$ BEGIN\n {2}CREATE ROLE NAME LOGIN REPLICATION;\nEXCEPTION WHEN duplicate_object THEN\n {2}ALTER ROLE NAME LOGIN REPLICATION;\nEND \$role2\$;$/m,
    );
    const comments = text.split(quoted).join("NAME").split("\n");
    expect(comments.filter((line) => line.startsWith("--") && line.includes("NAME"))).toEqual([]);
  });
});
