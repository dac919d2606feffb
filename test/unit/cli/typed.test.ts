import { expect, test } from "vitest";
import { optionsOf } from "../../../src/cli/options.ts";
import { parseInvocation } from "../../../src/cli/program.ts";
import { typedOf } from "../../../src/cli/typed.ts";
import { failover } from "../../../src/commands/failover.ts";
import { repoint } from "../../../src/commands/repoint.ts";
import type { VerbDefinition } from "../../../src/commands/define.ts";

function typed(definition: VerbDefinition, words: readonly string[]) {
  const { input } = parseInvocation(definition, words);
  return typedOf({ ...definition, options: optionsOf(definition) }, input);
}

test("the verb with what was given to it, and the cluster as it was named", () => {
  const words = ["--primary-is-dead", "-f", "./my orders.toml", "--to=n2", "--timeout", "9s"];
  const { again, command } = typed(failover, words);
  expect(again).toBe(
    "remaster failover --to n2 --primary-is-dead --timeout 9s --config './my orders.toml'",
  );
  expect(command("undo")).toBe("remaster undo --config './my orders.toml'");
  expect(command("drop-slot", "n2")).toBe("remaster drop-slot n2 --config './my orders.toml'");
});

test("defaults, and what shapes the output or spares the question, are left out", () => {
  const { again, command } = typed(failover, [
    "--yes",
    "--json",
    "-v",
    "--no-color",
    "--timeout=30s",
  ]);
  expect(again).toBe("remaster failover");
  expect(command("undo")).toBe("remaster undo");
  expect(typed(failover, ["--script", "-q", "-c", "orders"]).again).toBe(
    "remaster failover --cluster orders",
  );
});

test("a password that should not have been typed is not said again", () => {
  const { again, command } = typed(failover, ["--dsn", "host=a,b password=hunter2 user=me"]);
  expect(again).toBe("remaster failover --dsn 'host=a,b password=**** user=me'");
  expect(command("undo")).toBe("remaster undo --dsn 'host=a,b password=**** user=me'");
});

test("what it says parses as what was given", () => {
  const given = ["n3", "n4", "--to", "n2", "--no-wait", "-d", "host=a,b user='x y'"];
  const { again } = typed(repoint, given);
  expect(again).toBe(
    `remaster repoint n3 n4 --to n2 --no-wait --dsn 'host=a,b user='\\''x y'\\'''`,
  );
  const words = ["n3", "n4", "--to", "n2", "--no-wait", "--dsn", "host=a,b user='x y'"];
  expect(parseInvocation(repoint, words)).toEqual(parseInvocation(repoint, given));
});
