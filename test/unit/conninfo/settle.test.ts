import { describe, expect, test } from "vitest";
import { markRepointed } from "../../../src/conninfo/override.ts";
import { settleConninfo } from "../../../src/conninfo/settle.ts";

const upstream = { host: "10.0.0.2", hostaddr: null, port: 5433 };

function settled(value: string): { value: string; notes: readonly string[] } {
  const result = settleConninfo(value, upstream);
  if (!result.ok) throw new Error(result.message);
  return { value: result.value, notes: result.notes.map(({ kind }) => kind) };
}

describe("the conninfo after a repoint", () => {
  test("keeps what still makes sense", () => {
    const old =
      "user=repl password='s e' host=10.0.0.1 port=5432 application_name=n2 sslmode=require dbname=app keepalives_idle=5 options='-c a=b'";
    expect(settled(old)).toEqual({
      value:
        "host=10.0.0.2 port=5433 user=repl password='s e' application_name=n2 sslmode=require dbname=app keepalives_idle=5 options='-c a=b'",
      notes: [],
    });
  });

  test("takes a mark off first", () => {
    const marked = markRepointed("host=a user=u password=p", upstream);
    if (!marked.ok) throw new Error(marked.message);
    expect(settled(marked.value).value).toBe("host=10.0.0.2 port=5433 user=u password=p");
  });

  test("drops what chose between hosts, and says so", () => {
    expect(
      settled(
        "host=a,b,c hostaddr=1.1.1.1,1.1.1.2,1.1.1.3 port=1,2,3 password=x target_session_attrs=read-write load_balance_hosts=random",
      ),
    ).toEqual({
      value: "host=10.0.0.2 port=5433 password=x",
      notes: ["hosts-replaced", "target-session-attrs", "load-balance-hosts"],
    });
  });

  test("says what a new host touches", () => {
    expect(settled("host=a user=u sslmode=verify-full passfile=/p service=s")).toEqual({
      value: "host=10.0.0.2 port=5433 user=u sslmode=verify-full passfile=/p service=s",
      notes: ["service", "certificate-name", "password-file"],
    });
  });

  test("writes a URI as keywords, hostaddr when the upstream has one", () => {
    const result = settleConninfo("postgresql://u:p%20w@h:1/db?sslmode=require", {
      host: "n3",
      hostaddr: "10.0.0.3",
      port: 5432,
    });
    expect(result).toMatchObject({
      ok: true,
      value: "host=n3 hostaddr=10.0.0.3 port=5432 user=u password='p w' dbname=db sslmode=require",
      notes: [{ kind: "uri" }],
    });
  });

  test("an empty value becomes the upstream alone", () => {
    expect(settled("").value).toBe("host=10.0.0.2 port=5433");
  });

  test.each(["host='a", "foo"])("%j is refused", (value) => {
    expect(settleConninfo(value, upstream)).toMatchObject({ ok: false });
  });

  test("a line break is refused: ALTER SYSTEM would", () => {
    expect(settleConninfo("user='a\nb'", upstream)).toMatchObject({ ok: false });
  });
});
