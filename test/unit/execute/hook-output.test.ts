// What is kept of a command's output: no password, known or by its looks, whole or cut.

import { expect, test } from "vitest";
import { withoutSecrets } from "../../../src/host/control-error.ts";

test("passwords are taken out by their looks, and by what they are", () => {
  const output = [
    "PGPASSWORD=geheim",
    "postgresql://me:geheim@h/db",
    "it is hunter2 of-service, or hunter2",
    "fine",
    "",
  ].join("\n");
  expect(withoutSecrets(output, ["", "hunter2", "hunter2 of-service"])).toBe(
    ["PGPASSWORD=***", "postgresql://me:***@h/db", "it is ***, or ***", "fine", ""].join("\n"),
  );
});

test("of a line whose beginning was lost nothing is kept", () => {
  const line = `${"x".repeat(70_000)}password=geheim`;
  const cut = (text: string) => text.slice(-65_536);
  expect(withoutSecrets(cut(`${line}\nfine\n`), [])).toBe("fine\n");
  expect(withoutSecrets(cut(`${"p".repeat(70_000)}geheim`), [])).toBe("");
});
