import { describe, expect, test } from "vitest";
import { parseConninfo } from "../../src/conninfo/parse.ts";
import { connect } from "../../src/postgres/connect.ts";
import type { ConnectOptions } from "../../src/postgres/connect-request.ts";
import { ConnectFailure } from "../../src/postgres/connect-failure.ts";
import {
  answering,
  banner,
  blackHole,
  closedPort,
  type Stranger,
  stranger,
  webServer,
} from "../support/strangers.ts";

/** More time than connect_timeout has, which is thus the limit that is met. */
const options: ConnectOptions = { applicationName: "remaster test", timeoutMs: 5_000 };

async function failure(text: string, more: Partial<ConnectOptions> = {}): Promise<ConnectFailure> {
  const parsed = parseConninfo(`user=u dbname=d connect_timeout=1 ${text}`);
  if (!parsed.ok) throw new Error(parsed.message);
  try {
    const session = await connect(parsed.conninfo, { ...options, ...more });
    await session.close();
  } catch (error) {
    if (error instanceof ConnectFailure) return error;
    throw error;
  }
  throw new Error("it let us in");
}

const gssRequest = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7]);
const forkError = "Ecould not fork new process for connection: Cannot allocate memory\n\0";

const modes = ["disable", "allow", "prefer", "require"];

describe.each(modes)("what is no PostgreSQL, sslmode=%s", (mode) => {
  test.each<[string, () => Promise<Stranger>, string]>([
    ["a web server", webServer, '"HTTP/1.1 400 Bad Request"'],
    ["sshd", () => banner("SSH-2.0-OpenSSH_9.2p1\r\n"), '"SSH-2.0-OpenSSH_9.2p1"'],
    ["sshd that is full", () => banner("Exceeded MaxStartups\r\n"), '"Exceeded MaxStartups"'],
    ["a mail server", () => banner("220 mail ESMTP\r\n"), '"220 mail ESMTP"'],
    ["NNTP", () => banner("News\r\n"), '"News"'],
    ["VNC", () => banner("RFB 003.008\n"), '"RFB 003.008"'],
    ["an echo", () => stranger((socket) => socket.pipe(socket)), '"'],
    ["noise", () => banner("\u0000\u0001\u0002secret\u0003"), '"???secret?"'],
  ])("%s", async (_, listen, shown) => {
    await using server = await listen();
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "not-postgres", speaksPostgres: false, sqlstate: null });
    expect(failed.reason).toContain(`no PostgreSQL: ${shown}`);
  });

  test("silence, accepted and never answered", async () => {
    await using server = await answering();
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "silent", speaksPostgres: false });
    expect(failed.reason).toBe("the connection was accepted, then nothing came within 1000 ms");
  });

  test("a connection closed without a byte", async () => {
    await using server = await stranger((socket) => socket.end());
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "silent", speaksPostgres: false });
    expect(failed.reason).toBe("the connection was closed without an answer");
  });

  test("a connection reset", async () => {
    await using server = await stranger((socket) => socket.resetAndDestroy());
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "silent", speaksPostgres: false });
  });

  test("a postmaster that cannot fork", async () => {
    await using server = await answering(forkError);
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "error", speaksPostgres: true });
  });

  test("nobody", async () => {
    const port = await closedPort();
    const failed = await failure(`host=127.0.0.1 port=${port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "refused", speaksPostgres: false });
    expect(failed.reason).toBe("connection refused");
  });

  test("a queue of connections that is full", async () => {
    await using server = await blackHole();
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject({ answer: "none", speaksPostgres: false });
    expect(failed.reason).toBe("no answer within 1000 ms");
  });
});

describe("half a conversation", () => {
  test.each<[string, string, (Buffer | string)[], object]>([
    ["TLS is refused", "require", ["N"], { answer: "tls", speaksPostgres: true }],
    ["silence after TLS is refused", "prefer", ["N"], { answer: "silent", speaksPostgres: true }],
    ["silence in the handshake", "require", ["S"], { answer: "silent", speaksPostgres: true }],
    [
      "no TLS in the handshake",
      "require",
      ["S", "this is no TLS record"],
      { answer: "tls", speaksPostgres: true },
    ],
    ["bytes behind the S", "require", ["Sx"], { answer: "not-postgres", speaksPostgres: false }],
    ["bytes behind the N", "prefer", ["Nx"], { answer: "not-postgres", speaksPostgres: false }],
    ["GSS authentication", "disable", [gssRequest], { answer: "error", speaksPostgres: true }],
    ["half a message", "disable", [gssRequest.subarray(0, 3)], { answer: "silent" }],
    ["garbage later on", "disable", [ok("S\0\0\0\u0005")], { speaksPostgres: true }],
  ])("%s", async (_, mode, answers, expected) => {
    await using server = await answering(...answers);
    const failed = await failure(`host=127.0.0.1 port=${server.port} sslmode=${mode}`);
    expect(failed).toMatchObject(expected);
  });
});

/** AuthenticationOk, and what comes behind it. */
function ok(rest: string): Buffer {
  return Buffer.concat([Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]), Buffer.from(rest, "latin1")]);
}

describe("names and sockets", () => {
  test("a name without an address", async () => {
    const failed = await failure("host=no-such-host.invalid");
    expect(failed).toMatchObject({ answer: "unresolved", speaksPostgres: false });
    expect(failed.reason).toContain("name");
  });

  test("no socket file", async () => {
    const failed = await failure("host=/nowhere port=5432");
    expect(failed).toMatchObject({ answer: "refused", speaksPostgres: false });
    expect(failed.reason).toBe("no socket file /nowhere/.s.PGSQL.5432");
  });
});

describe("several hosts", () => {
  test("all are tried, the reasons are joined, and what speaks PostgreSQL tells most", async () => {
    const closed = await closedPort();
    await using fork = await answering(forkError);
    await using web = await webServer();
    const failed = await failure(
      `host=127.0.0.1,127.0.0.1,127.0.0.1 port=${closed},${web.port},${fork.port} sslmode=disable`,
    );
    expect(failed).toMatchObject({ answer: "error", speaksPostgres: true });
    expect(failed.reason).toContain(`127.0.0.1:${closed}: connection refused`);
    expect(failed.reason).toContain(`127.0.0.1:${web.port}: what answers there is no PostgreSQL`);
  });
});

describe("interrupted", () => {
  test("the signal's reason is thrown, at once", async () => {
    await using server = await answering();
    const controller = new AbortController();
    const reason = new Error("enough");
    const attempt = failure(`host=127.0.0.1 port=${server.port}`, { signal: controller.signal });
    controller.abort(reason);
    await expect(attempt).rejects.toBe(reason);
    const late = failure(`host=127.0.0.1 port=${server.port}`, { signal: controller.signal });
    await expect(late).rejects.toBe(reason);
  });
});
