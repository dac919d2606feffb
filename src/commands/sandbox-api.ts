// What the verbs `sandbox` and `rehearse` may use of throw-away servers: types alone, wired by cli/context.ts.

/** `down`: no process. `starting`: lets nobody in yet, crash recovery included. `frozen`: stopped by a signal. */
export type SandboxServerState = "up" | "starting" | "frozen" | "down";

export interface SandboxNodeStatus {
  readonly name: string;
  readonly port: number;
  readonly state: SandboxServerState;
  /** Null where nobody lets us in to ask. */
  readonly role: "primary" | "standby" | null;
  /** The node that a standby streams from now; null when it does not. */
  readonly upstream: string | null;
  readonly promotable: boolean;
  /** Gets no WAL from anybody. */
  readonly cut: boolean;
}

export interface SandboxStatus {
  readonly directory: string;
  /** The remaster.toml that all verbs use. */
  readonly configFile: string;
  /** PostgreSQL's version, e.g. `18.4`. */
  readonly version: string;
  readonly bindir: string;
  /** The user that the servers run as, where it is not ours. */
  readonly account: string | null;
  /** A connection string for clients of the primary; null where no node is seen to be one. */
  readonly client: string | null;
  readonly nodes: readonly SandboxNodeStatus[];
}

export interface SandboxRequest {
  /** Null: the default place of this user. */
  readonly directory: string | null;
  readonly signal?: AbortSignal;
}

export interface SandboxUpRequest extends SandboxRequest {
  readonly standbys: number;
  readonly major: number | null;
  readonly bindir: string | null;
  readonly notPromotable: readonly string[];
}

export type SandboxAct = "stop" | "start" | "kill" | "freeze" | "thaw" | "cut" | "join";

/** One line of a rehearsal's account. */
export interface RehearsalEvent {
  /** Milliseconds since the rehearsal began. */
  readonly atMs: number;
  readonly text: string;
}

export interface RehearsalCheck {
  /** Stable kebab-case name. */
  readonly name: string;
  readonly holds: boolean;
  readonly detail: string;
}

export interface Rehearsal {
  /** Every check holds. */
  readonly passed: boolean;
  readonly checks: readonly RehearsalCheck[];
  readonly events: readonly RehearsalEvent[];
  readonly version: string;
  /** Where it is, when it was kept. */
  readonly directory: string | null;
  readonly configFile: string | null;
  readonly newPrimary: string | null;
  /** Rows whose commit the client saw acknowledged. */
  readonly acknowledged: number;
  /** Of those, how many a surviving node had when the primary was dead. */
  readonly survived: number;
  /** Rows acknowledged before the primary died that no surviving node had: no failover could keep them. */
  readonly died: number;
  /** Of those, how many the new primary has not. */
  readonly missing: number;
  /** Longest time between two acknowledgements, milliseconds: what the client saw of the failover. */
  readonly longestGapMs: number;
  /** From the start of the failover to the client's first acknowledgement after it; null when there was none. */
  readonly writesBackMs: number | null;
}

export interface RehearsalRequest extends SandboxRequest {
  readonly major: number | null;
  readonly bindir: string | null;
  readonly keep: boolean;
  /** Brings the cluster of the topology file to its next primary; says what it came to. */
  readonly failover: (
    configFile: string,
  ) => Promise<{ readonly done: boolean; readonly summary: string }>;
  readonly tell: (event: RehearsalEvent) => void;
}

export interface SandboxApi {
  /** Makes a cluster and starts it; `made` is false where it was there already. */
  up(
    request: SandboxUpRequest,
  ): Promise<{ readonly made: boolean; readonly status: SandboxStatus }>;
  /** Null when there is no sandbox. */
  status(request: SandboxRequest): Promise<SandboxStatus | null>;
  /** On the named nodes, side by side; all of them when none is named. */
  act(
    act: SandboxAct,
    request: SandboxRequest & { readonly nodes: readonly string[] },
  ): Promise<SandboxStatus>;
  /** False when there was nothing to clear away. */
  down(request: SandboxRequest): Promise<{ readonly directory: string; readonly removed: boolean }>;
  rehearse(request: RehearsalRequest): Promise<Rehearsal>;
}
