import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatConninfo } from "../../src/conninfo/format.ts";
import { markQuiesced, markRepointed, withoutMarks } from "../../src/conninfo/override.ts";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import { settleConninfo } from "../../src/conninfo/settle.ts";
import { QueryError, type Session } from "../../src/postgres/session.ts";
import { letIn, open } from "../support/access.ts";
import { startCluster, type TestCluster, testMajors, type TestServer } from "../support/cluster.ts";

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;

describe.each(testMajors)("connection strings, as libpq %i reads them", (major) => {
  let cluster: TestCluster;
  let primary: TestServer;
  let admin: Session;

  beforeAll(async () => {
    cluster = await startCluster({ major, standbys: 2 });
    primary = cluster.server("n1");
    for (const server of [primary, cluster.server("n3")]) {
      await letIn(server, [
        "host all all 127.0.0.1/32 trust",
        "host replication all 127.0.0.1/32 trust",
      ]);
    }
    admin = await open(primary.conninfo);
    await admin.query("CREATE EXTENSION dblink SCHEMA public");
    // CREATE SUBSCRIPTION writes every backslash as it stands only so.
    await admin.query("SET standard_conforming_strings = on");
  });
  afterAll(async () => {
    await admin.close();
    await cluster[Symbol.asyncDispose]();
  });

  /** The role that libpq, in the server, logs in as by this connection string. */
  async function roleOf(conninfo: string): Promise<string | null> {
    const rows = await admin.query(
      "SELECT who FROM public.dblink($1, 'SELECT current_user::text') AS found(who text)",
      [conninfo],
    );
    return rows[0]?.["who"] ?? null;
  }

  test("what is written is read the same", async () => {
    const place = { host: "127.0.0.1", port: String(primary.port), dbname: "postgres" };
    const role = fc
      .string({ unit: fc.constantFrom(..."ab '\"\\=%&?@/:,[]é\t$#~".split("")), minLength: 1 })
      .filter((text) => text.trim() !== "" && !/^ | $/.test(text));
    await fc.assert(
      fc.asyncProperty(role, async (user) => {
        await admin.query(`CREATE ROLE ${name(user)} LOGIN`);
        try {
          expect(await roleOf(formatConninfo({ user, ...place }))).toBe(user);
          const encoded = `${encodeURIComponent(user)}@127.0.0.1:${primary.port}`;
          const uri = `postgresql://${encoded}/postgres`;
          expect(await roleOf(uri)).toBe(user);
          expect(parseConninfo(uri)).toEqual({ ok: true, conninfo: { user, ...place } });
        } finally {
          await admin.query(`DROP ROLE ${name(user)}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  const piece = fc.constantFrom(
    "host=",
    "port=",
    "user=a",
    "password=",
    "hots=",
    "=",
    "'",
    "\\",
    "a",
    "b c",
    "5432",
    " ",
    "\t",
    "&",
    "?",
    "@",
    "/",
    ":",
    "[::1]",
    "[",
    "%41",
    "%4",
    "ssl=true",
    "requiressl=1",
    ",",
  );
  const start = fc.constantFrom(
    "",
    "postgresql://",
    "postgres://u:p@h",
    "postgresql://h/db?",
    "host=x ",
  );
  const text = fc
    .tuple(start, fc.array(piece, { maxLength: 6 }))
    .map(([first, rest]) => first + rest.join(""));

  test("what is refused here is refused there, and the other way round", async () => {
    await fc.assert(
      fc.asyncProperty(text, async (conninfo) => {
        // Before 18 libpq took blanks in a URI as they stand.
        fc.pre(major >= 18 || !/^postgres(ql)?:.* /.test(conninfo));
        expect(parseConninfo(conninfo).ok).toBe(await acceptedByServer(conninfo));
      }),
      { numRuns: 400 },
    );
  });

  /** CREATE SUBSCRIPTION has libpq parse the string, and with connect=false nothing more. */
  async function acceptedByServer(conninfo: string): Promise<boolean> {
    try {
      await admin.query(
        `BEGIN; CREATE SUBSCRIPTION s CONNECTION ${literal(conninfo)} PUBLICATION p WITH (connect = false)`,
      );
      return true;
    } catch (error) {
      if (error instanceof QueryError && error.sqlstate === "42601") return false;
      throw error;
    } finally {
      await admin.query("ROLLBACK");
    }
  }

  describe.each(["keywords", "URI", "URI with a query", "URI that ends in ?"])(
    "marks, %s",
    (form) => {
      test("stop a receiver, move it, and come off to the byte", async () => {
        const standby = cluster.server("n2");
        const upstream = cluster.server("n3");
        await using session = await open(standby.conninfo);
        // The slot that it has stands on n1 only.
        await session.query("ALTER SYSTEM SET primary_slot_name = ''");
        const [before] = await session.query("SELECT current_setting('primary_conninfo') AS value");
        const original = before?.["value"] ?? "";
        const base = inForm(form, original);
        const set = async (value: string): Promise<void> => {
          await session.query(`ALTER SYSTEM SET primary_conninfo = ${literal(value)}`);
          await session.query("SELECT pg_reload_conf()");
        };
        const sender = async (): Promise<string | null> => {
          const [row] = await session.query(
            "SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'",
          );
          return row?.["sender_port"] ?? null;
        };
        const poll = { timeout: 15_000, interval: 20 };
        try {
          await set(base);
          await expect.poll(sender, poll).toBe(String(primary.port));
          const quiesced = markQuiesced(base);
          if (!quiesced.ok) throw new Error(quiesced.message);
          await set(quiesced.value);
          await expect.poll(sender, poll).toBe(null);
          const repointed = markRepointed(quiesced.value, {
            host: "127.0.0.1",
            hostaddr: null,
            port: upstream.port,
          });
          if (!repointed.ok) throw new Error(repointed.message);
          await set(repointed.value);
          await expect.poll(sender, poll).toBe(String(upstream.port));
          const [row] = await session.query("SELECT current_setting('primary_conninfo') AS value");
          expect(withoutMarks(row?.["value"] ?? "")).toBe(base);
          const settled = settleConninfo(row?.["value"] ?? "", {
            host: "127.0.0.1",
            hostaddr: null,
            port: upstream.port,
          });
          if (!settled.ok) throw new Error(settled.message);
          await set(settled.value);
          await expect.poll(sender, poll).toBe(String(upstream.port));
        } finally {
          await set(original);
          await expect.poll(sender, poll).toBe(String(primary.port));
        }
      });
    },
  );
});

/** The same parameters in another form. */
function inForm(form: string, keywordsText: string): string {
  const parsed = parseConninfo(keywordsText);
  if (!parsed.ok) throw new Error(parsed.message);
  const { host, port, user, dbname, ...rest } = parsed.conninfo;
  const place = `${user ?? ""}@${host ?? ""}:${port ?? ""}`;
  const query = Object.entries(rest)
    .map(([keyword, value]) => `${keyword}=${encodeURIComponent(value)}`)
    .join("&");
  switch (form) {
    case "URI":
      return `postgresql://${place}/${dbname ?? ""}?${query}`;
    case "URI with a query":
      return `postgres://?host=${host ?? ""}&port=${port ?? ""}&user=${user ?? ""}&target_session_attrs=any&${query}&`;
    case "URI that ends in ?":
      // Nowhere to put a password file, so the role must be let in without one.
      return `postgresql://${place}/${dbname ?? ""}?`;
    default:
      return keywordsText;
  }
}
