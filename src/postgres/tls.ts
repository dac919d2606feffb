// Turns a socket into a TLS stream as libpq does: asks with SSLRequest (or begins directly, 17+), shakes hands, looks
// at the name. What answers the question with anything but one S or N is no PostgreSQL, with one exception: an error
// message, which a postmaster sends when it could not start a child.

import { once } from "node:events";
import type { Socket } from "node:net";
import type { ConnectionOptions, PeerCertificate, TLSSocket } from "node:tls";
import { ConfigError } from "../errors.ts";
import type { Attempt } from "./attempt.ts";
import { codeOf } from "./socket.ts";
import { looksLikeError } from "./sniff.ts";

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** Asks whether the server speaks TLS. */
export async function askForTls(socket: Socket, attempt: Attempt): Promise<"yes" | "no"> {
  const answer = attempt.step(firstBytes(socket));
  socket.write(sslRequest);
  const bytes = await answer.catch((error: unknown) => {
    if (codeOf(error) === null) throw error;
    throw attempt.failure("silent", "the connection was closed without an answer", error);
  });
  if (bytes === null) {
    throw attempt.failure("silent", "the connection was closed without an answer");
  }
  const text = bytes.toString("latin1");
  if (text === "S" || text === "N") {
    attempt.speaksPostgres = true;
    return text === "S" ? "yes" : "no";
  }
  if (looksLikeError(bytes)) {
    // Its words are not shown: without TLS anybody on the way may have written them.
    attempt.speaksPostgres = true;
    throw attempt.failure("error", "the server sent an error instead of an answer about TLS");
  }
  throw attempt.failure("not-postgres", `what answers there is no PostgreSQL: ${quote(bytes)}`);
}

/** The next chunk, or null at the end of the stream. The socket is paused again afterwards. */
function firstBytes(socket: Socket): Promise<Buffer | null> {
  if (socket.destroyed || socket.readableEnded) return Promise.resolve(null);
  return new Promise((resolve, reject) => {
    const settle = (bytes: Buffer | null): void => {
      socket.pause();
      socket.off("error", reject).off("end", onEnd).off("close", onEnd).off("data", settle);
      resolve(bytes);
    };
    const onEnd = (): void => {
      settle(null);
    };
    socket.once("error", reject).once("end", onEnd).once("close", onEnd).once("data", settle);
  });
}

/** The first line of what came, for people: printable characters only, at most 40. */
export function quote(bytes: Buffer): string {
  const [line = ""] = bytes.toString("latin1").split(/[\r\n]/);
  return JSON.stringify(line.replace(/[^\x20-\x7e]/g, "?").slice(0, 40));
}

/** Shakes hands over the socket. */
export async function shakeHands(
  socket: Socket,
  settings: ConnectionOptions,
  attempt: Attempt,
): Promise<TLSSocket> {
  attempt.stage = "securing";
  const { connect } = await attempt.step(import("node:tls"));
  let stream: TLSSocket;
  try {
    stream = attempt.use(connect({ ...settings, socket }));
  } catch (error) {
    // node:tls reads keys and certificates at once; what is wrong with them is the user's to mend.
    throw new ConfigError(`the TLS files cannot be used (${codeOf(error) ?? "unknown error"})`);
  }
  try {
    await attempt.step(once(stream, "secureConnect"));
  } catch (error) {
    const code = codeOf(error);
    if (code === null) throw error;
    throw attempt.failure("tls", `TLS failed: ${handshakeReason(error, code)}`, error);
  }
  return stream;
}

function handshakeReason(error: unknown, code: string): string {
  switch (code) {
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return `the server's certificate is not signed by a trusted authority (${code})`;
    case "CERT_HAS_EXPIRED":
      return "the server's certificate has expired";
    case "CERT_NOT_YET_VALID":
      return "the server's certificate is not valid yet";
    case "CERT_REVOKED":
      return "the server's certificate was revoked";
    case "ECONNRESET":
    case "EPIPE":
      return "the server closed the connection during the handshake";
    default: {
      const message = error instanceof Error ? error.message : "";
      const alert = /:([^:]*alert[^:]*):/i.exec(message)?.[1];
      return alert === undefined ? code : `${alert} (${code})`;
    }
  }
}

/** verify-full: the certificate must name the host, by libpq's rules. */
export async function verifyServerName(
  stream: TLSSocket,
  host: string,
  attempt: Attempt,
): Promise<void> {
  if (host === "") {
    throw new ConfigError("sslmode=verify-full needs a host name", "give host beside hostaddr");
  }
  const { checkServerIdentity } = await import("node:tls");
  const certificate = stream.getPeerCertificate();
  if (checkServerIdentity(host, certificate) === undefined) return;
  if (namedByCommonName(certificate, host)) return;
  throw attempt.failure("tls", `the server's certificate is not for the host name "${host}"`);
}

/** Where no alternative names are given, libpq compares the common name, for addresses too; node does not. */
function namedByCommonName(certificate: PeerCertificate, host: string): boolean {
  if (certificate.subjectaltname !== undefined) return false;
  const name: unknown = certificate.subject.CN;
  return typeof name === "string" && name.toLowerCase() === host.toLowerCase();
}

/** Direct TLS must have agreed on PostgreSQL's protocol, or another service may have taken the call. */
export function checkDirectProtocol(stream: TLSSocket, attempt: Attempt): void {
  if (stream.alpnProtocol === "postgresql") {
    attempt.speaksPostgres = true;
    return;
  }
  throw attempt.failure(
    "tls",
    "the server did not agree to PostgreSQL's protocol in direct TLS (17+)",
  );
}
