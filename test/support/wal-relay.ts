// A relay between a standby and its upstream that forwards the streaming protocol, up to a byte of the write-ahead log
// and not one further. So a test decides where a standby's WAL ends, in the middle of a record too, without waiting for
// a server that dies at the right moment.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface WalRelay extends AsyncDisposable {
  readonly port: number;
  /** WAL from this position on is kept back from now on. What was forwarded before is not taken back. */
  stopAt(lsn: bigint): void;
}

/** An SSLRequest or GSSENCRequest is answered by a single byte, everything else by messages. */
const encryptionRequests = [80_877_103, 80_877_104];
const startupHeader = 8;
/** CopyData: type, length; then `w`, start, end and time of the WAL that follows. */
const copyHeader = 5;
const walHeader = 1 + 8 + 8 + 8;

export async function relayWal(upstream: { readonly port: number }): Promise<WalRelay> {
  let limit: bigint | null = null;
  const sockets = new Set<Socket>();
  const server = createServer((standby) => {
    const source = connect({ port: upstream.port, host: "127.0.0.1" });
    for (const [one, other] of [
      [standby, source],
      [source, standby],
    ] as const) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
    forward(standby, source, () => limit);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    stopAt: (lsn) => {
      limit = lsn;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function forward(standby: Socket, source: Socket, limit: () => bigint | null): void {
  let rawAnswers = 0;
  let started = false;
  standby.on("data", (chunk: Buffer) => {
    if (!started && chunk.length >= startupHeader) {
      const isEncryption = encryptionRequests.includes(chunk.readInt32BE(4));
      if (isEncryption) rawAnswers += 1;
      else started = true;
    }
    source.write(chunk);
  });
  let pending = Buffer.alloc(0);
  source.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const length = rawAnswers > 0 ? 1 : messageLength(pending);
      if (length === null || pending.length < length) return;
      const message = pending.subarray(0, length);
      pending = pending.subarray(length);
      if (rawAnswers > 0) rawAnswers -= 1;
      const passed = length === 1 ? message : upTo(message, limit());
      if (passed !== null) standby.write(passed);
    }
  });
}

function messageLength(bytes: Buffer): number | null {
  return bytes.length < copyHeader ? null : 1 + bytes.readUInt32BE(1);
}

/** The message without the WAL from the limit on; null where nothing is left of it. */
function upTo(message: Buffer, limit: bigint | null): Buffer | null {
  const isWal = message[0] === 0x64 && message[copyHeader] === 0x77;
  if (!isWal || limit === null) return message;
  const start = message.readBigUInt64BE(copyHeader + 1);
  const wal = BigInt(message.length - copyHeader - walHeader);
  if (start + wal <= limit) return message;
  if (start >= limit) return null;
  const kept = Buffer.from(message.subarray(0, copyHeader + walHeader + Number(limit - start)));
  kept.writeUInt32BE(kept.length - 1, 1);
  return kept;
}
