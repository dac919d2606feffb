// The codes of what a look at the servers shows. The rules that raise them stand in findings.ts.

/** Every code of an observed situation with the paragraph that explains it. */
export const observedCatalogue = {
  "node-unreachable":
    "The node did not let us in; the message says whether nobody listens, nobody answers, or an error came back.",
  "no-primary": "No reachable node is a primary.",
  "several-primaries":
    "More than one node takes writes: split brain. Both are named, with their positions and the switchpoint.",
  "other-manager":
    "Another program looks after the cluster: Patroni, repmgrd, pg_auto_failover, CloudNativePG or Stolon, by its sessions, slots or settings. It may promote, repoint or restart nodes on its own, and take back what remaster does, so verbs that change servers refuse. Have it do the change, or pause it; `--override-manager` goes on beside it.",
  "timeline-fork":
    "Nodes are on lines of ancestry that went different ways, and nothing decides which is the cluster's: no primary leads, or more standbys left the line of the only primary than are on it, as when somebody promoted one by mistake. The lines are named with their ends and the switchpoint. What one of them has beyond it will be given up, so verbs that change servers refuse until `--accept-timeline` names the line to keep.",
  "off-accepted-line":
    "The node left the line of the timeline that was accepted with `--accept-timeline`. It is left alone, and will need pg_rewind or a new base backup to follow.",
  "other-cluster":
    "The node's system identifier differs from the cluster's: it is another database cluster and is left alone.",
  "other-major":
    "The node runs another major version than the rest; physical replication does not cross majors.",
  "same-server": "Two names of the topology file lead to one and the same server.",
  "timeline-clash":
    "Two servers took the same timeline number in different promotions. Whoever follows by number alone follows the wrong one.",
  "standby-not-following":
    "The standby's upstream answers, and yet no WAL flows. A receiver that restarts in a loop and a sender row that stays in `startup` look alive and move nothing, and an idle cluster hides it: the lag reads zero.",
  "receiver-silent":
    "The receiver says that it streams, and has had no message for longer than its own patience usually is. A frozen upstream looks like that.",
  "torn-tail":
    "The standby received WAL into a later segment than that of the last whole record, and its upstream is gone. Led to a primary of a later timeline as it is, it ends in a PANIC: that end must be cut off while it is stopped, which `heal` does.",
  "upstream-unreachable":
    "Standbys whose upstream cannot be reached: no WAL reaches them or anything below them.",
  "upstream-unknown":
    "The standby's upstream belongs to no node of the topology file, so what feeds it cannot be observed.",
  "unknown-follower":
    "A node streams to a standby that is none of the topology file's: a failover does not see it, and moves it nowhere. Archivers such as pg_receivewal are not meant.",
  "upstream-missing":
    "The standby has no upstream: no receiver runs and primary_conninfo names none, or names none that can be read.",
  "upstream-cycle": "Standbys are each other's upstreams: no WAL can reach any of them.",
  "replay-paused":
    "Replay was paused by hand: the node receives, and shows and promotes nothing new.",
  "replay-blocked":
    "Sessions on the standby conflict with replay, which waits for them. While it does, the node obeys no change of its upstream and a promotion does not finish.",
  "replay-delayed":
    "The standby delays replay on purpose (recovery_min_apply_delay). It is no candidate while it does.",
  quiesced:
    "The node bears the quiesce mark and its receiver is gone: it gets no WAL until it is unquiesced.",
  "quiesce-without-effect":
    "The node bears the quiesce mark and its receiver streams on. Replay that was paused before the receiver had stopped does that: the setting takes effect only once replay runs.",
  "restore-quiesced":
    "restore_command bears the quiesce mark: the node takes nothing from the archive until it is unquiesced.",
  "repoint-unsettled":
    "primary_conninfo bears a repoint that was never settled: the old value still stands before the override.",
  fenced: "The node bears the fence mark: it refuses writes by default.",
  demoted:
    "A primary that a switchover shut down, or was about to, and that is no standby for good yet: the run was cut short. Where nobody leads, the same verb goes on, and undo makes it the primary again; where another node leads, it is to be brought back as its standby.",
  "promotion-broken-off":
    "The primary has WAL of a later timeline than its own. It crashed in the middle of its promotion, after it had ceased to be a standby and before it wrote anything on the new timeline, and came back as a primary on the old one. What the primary before it wrote since then is on the same timeline: nothing tells the two apart, neither a comparison of positions nor pg_rewind. That node must not come back but from a new base backup.",
  "leftover-standby-signal":
    "standby.signal is in a primary's data directory: its next start, after a crash too, brings it back as a standby.",
  "point-in-time-recovery":
    "recovery.signal is in force: the node is in point-in-time recovery, not in standby mode. A restore_command that fails ends its recovery.",
  "slot-lost": "The slot's WAL is gone or the slot was invalidated: nobody can go on from it.",
  "slot-unreserved":
    "The slot needs WAL that the next checkpoints may remove: it is about to be lost.",
  "slot-inactive": "Nobody uses the slot, and it holds WAL. Left alone it fills the disk.",
  "password-in-conninfo":
    "primary_conninfo holds a password. The server logs the whole setting on every reload that changes it; a passfile keeps it out of there.",
  "setting-below-primary":
    "A setting that a standby needs at least as high as its primary is lower. Replay pauses (14 and later) or the server stops once the primary's value reaches it through the WAL.",
  "target-timeline-fixed":
    "recovery_target_timeline is not `latest`: the standby will not follow its upstream to a new timeline.",
  "commits-blocked":
    "Fewer synchronous standbys stream than synchronous_standby_names demands: commits on the primary wait.",
  "standby-wal-senders":
    "The standby allows no WAL senders: after its promotion nobody could follow it, and it cannot be a source of WAL.",
  "priority-ignored": "A priority on a node that is not promotable has no effect.",
} as const satisfies Record<string, string>;
