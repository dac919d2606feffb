// Reads the first message of a startup answer before the driver does: whether it is PostgreSQL's at all, and whether
// the kind of authentication is one that can be done here (the driver throws at the others).
// A message is a type byte and a length; a server begins with R (authentication), E, N or v. All of 13 to 18.

export type Sniffed =
  | { readonly kind: "more" }
  | { readonly kind: "postgres" }
  | { readonly kind: "other" }
  /** An error in the old form: the postmaster itself, which could not start a child. */
  | { readonly kind: "fork-failure"; readonly text: string }
  | { readonly kind: "authentication"; readonly code: number };

/** Longer first messages are somebody else's banner: `RFB 003.008` would claim a gigabyte. */
const longest = 65_536;

/** Looks at everything received so far. */
export function sniffStartup(bytes: Buffer): Sniffed {
  const type = String.fromCharCode(bytes[0] ?? 0);
  if (!"REvN".includes(type)) return { kind: "other" };
  if (bytes.length < 5) return { kind: "more" };
  const length = bytes.readUInt32BE(1);
  if (isForkFailure(bytes)) {
    return { kind: "fork-failure", text: bytes.toString("utf8", 1, bytes.length - 2) };
  }
  if (length < 4 || length > longest) return { kind: "other" };
  if (type !== "R") return { kind: "postgres" };
  if (bytes.length < 9) return { kind: "more" };
  return { kind: "authentication", code: bytes.readUInt32BE(5) };
}

/** An ErrorResponse of protocol 3, or the old form. */
export function looksLikeError(bytes: Buffer): boolean {
  if (isForkFailure(bytes)) return true;
  if (bytes[0] !== 0x45 || bytes.length < 6) return false;
  const length = bytes.readUInt32BE(1);
  return length >= 4 && length <= longest;
}

/** `E`, text in the server's language, a line break and a zero: report_fork_failure_to_client, 13 to 18. */
function isForkFailure(bytes: Buffer): boolean {
  return bytes[0] === 0x45 && bytes[1] !== 0 && bytes.subarray(-2).equals(Buffer.from("\n\0"));
}

/** Kinds of authentication that can be done here: none, cleartext, MD5, SASL and its two later messages. */
export function authenticationName(code: number): { name: string; supported: boolean } {
  switch (code) {
    case 0:
      return { name: "none", supported: true };
    case 3:
      return { name: "password", supported: true };
    case 5:
      return { name: "md5", supported: true };
    case 10:
      return { name: "scram-sha-256", supported: true };
    case 2:
      return { name: "Kerberos 5", supported: false };
    case 7:
      return { name: "GSS", supported: false };
    case 9:
      return { name: "SSPI", supported: false };
    default:
      return { name: `method ${code}`, supported: false };
  }
}
