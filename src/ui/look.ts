// How text may look on one stream: colours or none, UTF-8 or ASCII, and how wide. Decided from what is handed in; nothing
// here reads the environment by itself.

export interface Look {
  readonly isTTY: boolean;
  readonly colour: boolean;
  readonly utf8: boolean;
  readonly columns: number;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTTY: boolean;
  readonly columns: number;
  /** False with --no-color. */
  readonly colour: boolean;
}

export function lookFor(surroundings: Surroundings): Look {
  const { env, isTTY, columns } = surroundings;
  return { isTTY, colour: wantsColour(surroundings), utf8: speaksUtf8(env), columns };
}

/** --no-color, then FORCE_COLOR, then NO_COLOR, then whether it is a terminal that can. */
function wantsColour({ env, isTTY, colour }: Surroundings): boolean {
  if (!colour) return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return !["0", "false"].includes(forced);
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  return isTTY && env["TERM"] !== "dumb";
}

/** As the C library reads the locale: LC_ALL, then LC_CTYPE, then LANG; the first that is set decides. */
function speaksUtf8(env: Surroundings["env"]): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find(
    (value) => value !== undefined && value !== "",
  );
  return locale !== undefined && /utf-?8/i.test(locale);
}
