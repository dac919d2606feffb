// What a server keeps of a password (RFC 5803, as PostgreSQL 10 and later read it in CREATE ROLE ... PASSWORD). Made here, so
// that the password itself goes to no server, and with one iteration: thousands of them protect passwords that can be
// guessed, and cost every login on both sides more than all the rest of it. Ours are 144 random bits.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

const iterations = 1;

export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const key = (text: string) => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(key("Client Key")).digest("base64");
  const server = key("Server Key").toString("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${stored}:${server}`;
}
