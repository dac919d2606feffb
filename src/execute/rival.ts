// Somebody else's promotion that no mark, no file and no wait event tells of: the startup process has taken the request up and
// sleeps out wal_retrieve_retry_interval before it acts on it (seen on 18, 1.4 s). The server itself knows.

import { isBeingPromoted } from "../postgres/promote.ts";
import { NotDone } from "./performer.ts";
import type { World } from "./world.ts";

/** The first of these that is on its way to lead, or leads; null where none shows it. */
export async function findRival(
  others: readonly string[],
  world: Pick<World, "session">,
): Promise<string | null> {
  const rivals = await Promise.all(
    others.map(async (name) => {
      try {
        return await isBeingPromoted(await world.session(name));
      } catch {
        return false;
      }
    }),
  );
  return others.find((_, index) => rivals[index]) ?? null;
}

/** Before one that was closed takes writes again. `except`: others that lead and take none. */
export async function mustBeAlone(
  node: string,
  world: World,
  except: readonly string[] = [],
): Promise<void> {
  const others = world.reached().filter((name) => name !== node && !except.includes(name));
  const rival = await findRival(others, world);
  if (rival !== null) throw new NotDone(`${rival} leads, or is being promoted`);
}
