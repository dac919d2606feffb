// Switchovers measured by the clients: how long nobody's commit was acknowledged. The lead goes round on one cluster, bare
// script and remaster in turns; what the script needs prepared beforehand, and what it leaves undone, is done here, outside
// what is measured. A cluster that is found unfit for a further lap ends the bench: it would measure something else.

import { appendFile, chown, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { settingsText, upstreamConninfo } from "../../src/sandbox/layout.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { GapClients, type Load } from "./gap-client.ts";
import { timeCommand } from "./measure.ts";

/** `stop`: the old primary is shut down. `fence`: it stays up, and nobody writes to it. */
export type How = "stop" | "fence";

export interface Track {
  readonly how: How;
  readonly major: number;
  readonly standbys: number;
  readonly load: Load;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Programs {
  /** The bare script, and remaster. */
  readonly floor: readonly string[];
  readonly remaster: readonly string[];
}

export interface Lap {
  /** The longest time without an acknowledged commit, milliseconds. */
  readonly gapMs: number;
  /** The time between the last one on the old primary and the first one on the new. */
  readonly handOverMs: number;
  /** How long after the first commit on the new primary the old one streamed from it. */
  readonly backAfterMs: number;
}

/** What a lap of ours may leave in the files of the old primary, and what it must not begin the next one with. */
const ephemeral =
  /^(?:default_transaction_read_only|synchronous_standby_names|remaster\.fenced|primary_conninfo|primary_slot_name) /;

const deadlineMs = 20_000;

async function until(what: string, condition: () => Promise<boolean>, pauseMs = 5): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > end) throw new Error(`in vain waited until ${what}`);
    await setTimeout(pauseMs);
  }
}

/** Laps on one cluster, from whoever leads to the next node. */
export class Laps implements AsyncDisposable {
  readonly #track: Track;
  readonly #programs: Programs;
  readonly #cluster: TestCluster;
  readonly #config: string;
  readonly #clients: GapClients;
  readonly #sessions = new Map<string, pg.Client>();
  #leader = "n1";

  private constructor(parts: {
    readonly track: Track;
    readonly programs: Programs;
    readonly cluster: TestCluster;
    readonly config: string;
  }) {
    this.#track = parts.track;
    this.#programs = parts.programs;
    this.#cluster = parts.cluster;
    this.#config = parts.config;
    const configs = this.#names.map(
      (name) => [name, parts.cluster.server(name).clientConfig("app")] as const,
    );
    this.#clients = new GapClients(new Map(configs), parts.track.load);
  }

  static async start(track: Track, programs: Programs): Promise<Laps> {
    const cluster = await startCluster(track);
    const made = new pg.Client(cluster.server("n1").clientConfig("app"));
    await made.connect();
    for (const statement of track.load.prepare) await made.query(statement);
    await made.end();
    let config = cluster.configFile;
    if (track.how === "fence") {
      const text = await readFile(config, "utf8");
      config = join(cluster.directory, "uncontrolled.toml");
      await writeFile(config, text.replaceAll(/^control\..*\n/gm, ""));
    }
    return new Laps({ track, programs, cluster, config });
  }

  get #names(): readonly string[] {
    return this.#cluster.servers.map(({ name }) => name);
  }

  #next(): string {
    const names = this.#names;
    return names[(names.indexOf(this.#leader) + 1) % names.length] ?? "";
  }

  async run(who: "floor" | "remaster"): Promise<Lap> {
    const [old, next] = [this.#leader, this.#next()];
    if (who === "floor") await this.#cascade(old, next);
    await this.#clients.settle(50);
    const command = who === "floor" ? this.#floor(old, next) : this.#ours(next);
    const running = timeCommand(command);
    const back = this.#untilStreams(next, [old]).then(() => performance.now());
    await Promise.all([running, this.#clients.untilWriter(next)]);
    this.#leader = next;
    if (who === "floor" || this.#track.how === "fence") await this.#bringBack(old, next);
    const backAt = await back;
    // Also what comes after: a commit that waits for the old primary's return is a gap as well.
    await this.#clients.untilWriter(next);
    const { longestMs, handOver } = this.#clients.gaps();
    await this.#tidy();
    return {
      gapMs: longestMs,
      handOverMs: handOver.ms,
      backAfterMs: backAt - handOver.endedAt,
    };
  }

  #floor(old: string, next: string): readonly string[] {
    const server = this.#cluster.server(old);
    const configs = [server, this.#cluster.server(next)].map((each) =>
      JSON.stringify(each.clientConfig()),
    );
    return [...this.#programs.floor, this.#track.how, server.dataDir, ...configs];
  }

  #ours(next: string): readonly string[] {
    const options = ["--yes", "--quiet", "--config", this.#config];
    return [...this.#programs.remaster, "switchover", "--to", next, ...options];
  }

  /** The siblings stream from the node that is to lead: what remaster does within the command. */
  async #cascade(old: string, next: string): Promise<void> {
    const siblings = this.#names.filter((name) => name !== old && name !== next);
    if (siblings.length === 0) return;
    const options = ["--to", next, "--yes", "--quiet", "--config", this.#config];
    await timeCommand([...this.#programs.remaster, "repoint", ...siblings, ...options]);
    await this.#untilStreams(next, siblings);
  }

  /** Nothing was written to it behind what the new primary has: it needs no rewind, but it must write nothing more either. */
  async #bringBack(old: string, next: string): Promise<void> {
    const server = this.#cluster.server(old);
    await server.stop(this.#track.how === "stop" ? "fast" : "immediate");
    const { dataDir } = server;
    const file = join(dataDir, "postgresql.auto.conf");
    const lines = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, lines.filter((line) => !ephemeral.test(line)).join("\n"));
    const { port } = this.#cluster.server(next);
    const conninfo = upstreamConninfo(this.#cluster.directory, { node: old, port });
    await appendFile(file, settingsText({ primary_conninfo: conninfo }));
    const signal = join(dataDir, "standby.signal");
    const { uid, gid } = await stat(dataDir);
    await writeFile(signal, "");
    await chown(signal, uid, gid);
    await server.start();
  }

  async #untilStreams(upstream: string, names: readonly string[]): Promise<void> {
    const sql = `SELECT count(DISTINCT application_name)::int AS n FROM pg_stat_replication
      WHERE state = 'streaming' AND application_name = ANY ($1)`;
    await until(`${names.join(", ")} streamed from ${upstream}`, async () => {
      const { rows } = await (await this.#session(upstream)).query<{ n: number }>(sql, [names]);
      return rows[0]?.n === names.length;
    });
  }

  /** Everybody streams again, and no slot is left that nobody uses. */
  async #tidy(): Promise<void> {
    const others = this.#names.filter((name) => name !== this.#leader);
    await this.#untilStreams(this.#leader, others);
    const sql = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active`;
    for (const name of this.#names) await (await this.#session(name)).query(sql);
  }

  async #session(name: string): Promise<pg.Client> {
    const open = this.#sessions.get(name);
    if (open !== undefined) return open;
    const server = this.#cluster.server(name);
    const made = new pg.Client({ ...server.clientConfig(), application_name: "remaster bench" });
    const forget = (): void => void this.#sessions.delete(name);
    made.on("error", forget).on("end", forget);
    await made.connect();
    this.#sessions.set(name, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clients[Symbol.asyncDispose]();
    await Promise.all([...this.#sessions.values()].map((each) => each.end().catch(() => null)));
    await this.#cluster[Symbol.asyncDispose]();
  }
}

export interface Measured {
  readonly floor: readonly Lap[];
  readonly remaster: readonly Lap[];
}

/** One entry for each track. In turns, the one first and then the other, so that each leads into every direction. */
export async function measureLaps(
  tracks: readonly Track[],
  programs: Programs,
  runs: number,
): Promise<readonly Measured[]> {
  const courses: Laps[] = [];
  try {
    for (const track of tracks) courses.push(await Laps.start(track, programs));
    const measured = courses.map(() => ({ floor: [] as Lap[], remaster: [] as Lap[] }));
    for (let run = 0; run < runs; run += 1) {
      const pair = ["floor", "remaster"] as const;
      for (const [index, course] of courses.entries()) {
        for (const who of run % 2 === 0 ? pair : pair.toReversed()) {
          measured[index]?.[who].push(await course.run(who));
        }
      }
    }
    return measured;
  } finally {
    for (const course of courses) await course[Symbol.asyncDispose]();
  }
}
