// The codes of refusals: preconditions of a verb that do not hold. Findings like all others, kept apart because
// planners raise them, not a look at the servers.

/** Every refusal code with the paragraph that explains it. */
export const refusalCatalogue = {
  "primary-answers":
    "A primary answers, so nothing may be promoted beside it. For a planned change stop it cleanly first, then fail over: the standbys have all it wrote.",
  "primary-may-answer":
    "Something that speaks PostgreSQL answers where the primary was, though it does not let us in: a server in crash recovery, one that is starting, shutting down or full. It is alive, and may take writes the next moment.",
  "still-receiving":
    "A standby has a message from its upstream that is younger than the patience: the primary may live where only the operator cannot see it.",
  "not-vouched":
    "Nothing vouches that the old primary stays away: no control that stopped it, and not the operator's word. Without that, two nodes may come to take writes.",
  "promotion-may-be-pending":
    "The other standbys have been told to follow another node: a promotion of that node may have been asked for and not be finished. Promoting a second one could make two primaries.",
  "promotion-done":
    "The node that an interrupted run was about to promote leads by now. What was done for that cannot be taken back any more: the way is forward, and the same verb finishes it.",
  "another-may-lead":
    "A primary that was shut down or fenced is not made to take writes again, and no other one is promoted in its place, while a node that cannot be reached may lead by now, or the timelines show that somebody was promoted.",
  "not-demoted":
    "The node is not one that a switchover shut down: started as a primary it could be a second one, on a line of its own.",
  "not-handed-over":
    "A primary was shut down by a switchover that was cut short, and whether the node that is to lead has everything that it wrote is not proven. Nothing is lost: undo makes the old primary the primary again.",
  "candidate-behind":
    "The standby that is to lead has yet to replay much of what the primary has written. Writes would be held up for as long as that takes.",
  "slot-would-be-lost":
    "A logical slot on the primary has no copy that is ready on a standby that may lead, so its consumer would not find its place there: what it had not confirmed would have to be made up for from elsewhere. The message says why, the hint what makes it ready.",
  "slot-without-failover":
    "A logical slot of a primary on 17 or later has not got the failover flag, so that its standbys' servers keep no copies of it by themselves. `slot-sync --enable-failover` sets it. A subscription has a flag of its own, which has to say the same.",
  "consumers-may-run-ahead":
    "synchronized_standby_slots of the primary (17 and later) does not name the physical slot of a standby that keeps failover slots: a consumer may get what that standby has not received yet, and would not be able to go on there. `slot-sync --configure` names them.",
  "consumers-wait":
    "What a plan will have follow: consumers of failover slots get nothing that the named standbys have not received. One of them that is away holds them up until it is back, or until the list is set without it.",
  "no-slot": "There is no such slot on the node.",
  "needs-major": "The verb needs a later major version of PostgreSQL than the node runs.",
  "mark-in-the-way":
    "The node bears a mark of an operation that is not over, so that its upstream is not settled; its settings are left alone until it is.",
  "consumer-away":
    "A logical slot has no copy on the standby that is to lead, and nobody reads from it. A copy can be made, but it begins where the log is then, and counts only once the consumer has confirmed past that place: before, it would leave out what is between them.",
  "slot-kept":
    "Logical slots go on on the node that is to lead: their consumers find their place there. What they confirmed after the copies were brought level for the last time comes once more.",
  "slot-not-made":
    "A logical slot that a switchover was to make on the new primary before it took writes (13 to 15) is not there. The message says why, and up to where its consumer had confirmed: nothing was written behind that before the primary opened, so a consumer loses what is written between there and the slot that is made for it by hand.",
  "slots-begin-late":
    "Something wrote to the new primary before its logical slots were made, or that nothing did could not be read off its log: consumers miss what was written before the place where their slot begins. The message says where.",
  "not-fenced": "The verb works on a fenced primary, and this one takes writes.",
  "consumer-ahead":
    "A logical consumer had confirmed more than the node that takes over has received, so it has seen changes that are on no node any more.",
  "consumers-on-fenced":
    "A primary that nobody can stop is fenced and goes on, and so do the consumers of its logical slots. The server writes checkpoints by itself, which carry no changes; a consumer that takes the position behind one for its own would ask the new primary to begin there, and get nothing of what was written before.",
  "synchronized-slots-unfit":
    "synchronized_standby_slots of the node that is to lead does not fit its standbys: it names a slot that is not there, and then consumers of failover slots get nothing, or it is empty though the primary before it had it.",
  "slot-not-synced":
    "A copy of a logical slot could not be made or brought level on a standby. The message says why; the other slots were seen to all the same.",
  "shutdown-held-up":
    "A primary that shuts down waits for whoever streams from it. Where the other end does not answer, it waits until it gives that connection up (wal_sender_timeout), with writes stopped where the network holds no more of what it sends. The message names the connection.",
  "slot-copy-left":
    "A standby has a copy that slot-sync made of a logical slot, and the primary that leads now has no such slot. It was lost when the lead changed, or dropped since: the copy may be all that is left of its consumer's place, and it holds WAL. A copy whose slot was dropped while the lead did not change goes by itself.",
  "slot-not-kept":
    "A standby that may lead holds no slot of ours for a sibling, so that WAL which the sibling would lack after a promotion may be gone by then: a slot of that name is there which slot-sync did not make, or it could not be made.",
  "transactions-broken-off":
    "Transactions are open on the primary that a shutdown or a fence breaks off. They are rolled back, and their clients are told.",
  "commits-less-durable":
    "Of the node that is to lead its own synchronous_standby_names and synchronous_commit come into force, and with them a commit waits for fewer standbys than before, or for less of them. Nothing is lost by the change of the primary itself.",
  "synchronous-names-unknown":
    "synchronous_standby_names of the node that is to lead names standbys that no node of the cluster is called: they will not confirm anything.",
  "prepared-transactions":
    "Transactions that were prepared for a two-phase commit stand open. A fence leaves them alone: whoever leads next can commit or roll them back. A logical slot that is to be made on the next primary would wait for them.",
  "fence-not-watched":
    "The log of a fenced primary could not be read behind the position at which it was fenced, so whether something was written there is not known.",
  "written-past-fence":
    "Something other than the server itself has written to the log behind the position at which the primary was fenced. The message says how far.",
  "promotion-unknown":
    "A promotion was asked for and not seen to be done in the time that was given. It cannot be called back, and may come true any time later.",
  "timeline-unreported":
    "No node that was reached tells of the timeline that `--accept-timeline` names, or of one with that number that began there.",
  "no-candidate": "No reachable standby may be promoted; the ranking gives the reason for each.",
  "not-promotable": "The topology file says that this node never leads.",
  "not-a-standby": "The verb works on standbys, and this node is none.",
  "not-streaming":
    "The node that is to lead gets no WAL: what it lacks it could not get before the primary ends.",
  "not-a-primary": "The verb works on a primary, and this node is none.",
  "sessions-remain":
    "Sessions that may write are left on the primary: the role of remaster may not end them, or they did not end in the time that was given. A session that waits for its synchronous standby is let come to its end.",
  "another-leads":
    "Another node leads by now: taking the fence away would open a second primary for writes.",
  "override-out-of-reach":
    "A role, a database or a subscription goes past the read-only default, and the role of remaster may not change that.",
  "not-in-standby-mode":
    "The node is in point-in-time recovery, or it could not be proven that it is not. There a restore_command that fails ends recovery: the node would promote itself.",
  "replay-held-up":
    "Replay on the node is paused, blocked by sessions or delayed. While it is, the node obeys no change of its upstream and a promotion does not finish.",
  "restore-command-13":
    "On PostgreSQL 13 restore_command cannot be changed without a restart, so the node cannot be brought to a proven rest while it has one.",
  "setting-out-of-reach":
    "A setting that must change comes from the server's command line, or ALTER SYSTEM is not allowed there.",
  "missing-right":
    "The role lacks a right that the verb needs, or that would have shown the node's whole state; the message names it.",
  "too-few-wal-senders":
    "The node that standbys would follow has no WAL sender left for each of them (max_wal_senders). Who comes too late cannot stream from it. A primary that hands over needs one for the stream by which its end is seen.",
  "too-few-slots":
    "The node that standbys would follow has no room left for a slot for each of them (max_replication_slots).",
  "commits-would-block":
    "Fewer synchronous standbys would be left than synchronous_standby_names demands, so that every commit would wait, and none would be refused. Of a node that is to lead its own setting counts, which comes into force when it does. --accept-blocked-commits goes on.",
  "position-not-held": "The node does not hold the position that --require names.",
  "others-are-ahead":
    "Another reachable node has WAL that this one lacks: promoting it would lose that, and strand the other.",
  "loss-not-excluded":
    "A known standby was not reached, and it cannot be proven that those that were reached hold every commit that was acknowledged: the primary was asynchronous when it was last seen, or was never seen from here, or the standby could have confirmed alone. The same where replay of a standby has been held up since its start: it shows what it has only once it has replayed it. With --accept-data-loss the failover goes on without it.",
  "more-was-seen":
    "A node that cannot be reached had more of the log, when it was last seen, than any standby that was reached has now. Going on gives that up and strands the node; --accept-data-loss says so.",
  "minority-reached":
    "Fewer than half of the known standbys can be reached. In a divided network that is what the smaller side sees, while a primary may live on the other; --accept-minority goes on all the same.",
  "primary-may-run":
    "Nobody vouched that the old primary is down. Its synchronous standbys are still, so it can acknowledge no commit that waits for them, as long as nobody changes its synchronous_standby_names; reads, and sessions that lower synchronous_commit, go on there until it is stopped.",
  diverged: "The node has replayed WAL that is not part of the history it would have to follow.",
  "wal-gone": "The source no longer has the WAL that the node lacks.",
  "cannot-follow-itself": "A node cannot be its own upstream, directly or through its downstreams.",
  "ahead-of-upstream":
    "The node has more than the upstream it would follow; it could not stream until the upstream caught up.",
  "slot-in-use":
    "Somebody streams from the slot, or a standby of the topology file names it as its own on that node.",
  "no-control": "The verb needs the node's `control` in the topology file, and there is none.",
  "facts-changed":
    "Between the plan that was shown and the answer to the question the cluster changed, so that another plan would be made now.",
  locked:
    "Another run of remaster holds the lock of the cluster: one operator at a time. The message names who it is, from where and since when. It is a session lock in the database `postgres` of every reachable node, and ends with its run; of an operator whose machine vanished, within 30 seconds. --take-over ends it at once.",
  "lock-lost":
    "The run no longer holds the lock of the cluster: its session on a node that is still there was ended, by --take-over or by hand, or it was cut off so long that somebody else may have been at work. It stops where it stands, and takes nothing back: the cluster may be another operator's now.",
  "lock-unavailable":
    "The lock of the cluster cannot be taken on a node that can be reached. It is in the database `postgres` of each node, to which the role must be able to connect.",
  "through-pooler":
    "A connection pooler answers in a node's place. A lock that is taken through it belongs to nobody, and what is asked of it may be answered by another server.",
  "needs-yes": "The verb changes servers, and there is neither a terminal to ask on nor --yes.",
  "torn-tail-repair":
    "What was done, or is left to be done by hand, about the torn end of a standby's WAL: it is cut off at the switchpoint while the server is stopped. The files are kept as they were.",
  "upstream-setting":
    "Something else in primary_conninfo depends on the host that was replaced: a certificate's name, an entry of the passfile, a service.",
  "not-settled":
    "A step reached its goal, but what should have been tidied up after it was not: a mark or a slot of remaster may be left.",
  "pooler-unreachable":
    "The admin console of a pooler does not let us in, or lets us look and not pause (`admin_users` of pgbouncer). Its clients could not be held back while the lead changes, and would see errors. A failover goes on without it.",
  "pooler-not-pausable":
    "A pooler cannot be paused: our user is none of its admin_users, or somebody else has paused all of it.",
  "pooler-paused":
    "A pooler holds its clients back. Nobody but `remaster resume`, the same verb once more or `remaster undo` lets them go on; past its query_wait_timeout their transactions fail. An operator who died between pause and resume leaves it so.",
  "pooler-not-resumed":
    "A pooler was not given the new primary's address, or not resumed. The message says which: `resumed all the same` means that its clients go on, and may be led to where nobody leads.",
  "slot-left":
    "A slot that remaster made for a standby, and that nobody is to use any more, stays where it could not be dropped. It holds WAL there until it is.",
  "diverged-wal":
    "A former primary has WAL behind the switchpoint that belongs to transactions and is on no line of the node that leads: it exists nowhere else. The message says from where to where, and how much. `rejoin --accept-data-loss` takes it back with pg_rewind, and keeps a copy of it beside the data directory. What the server wrote by itself, such as checkpoints, is nobody's loss.",
  "base-backup-needed":
    "The node cannot be brought back as it is, and pg_rewind cannot take it back: the program is not there, or the server kept no account of changed pages (data checksums, wal_log_hints). A new base backup of the node that leads takes its place.",
  "history-unclear":
    "Whether all that the node has is part of the new primary's history could not be proven from its data directory; the message says why.",
  "no-hook": "The topology file gives no command for this hook in its table `[hooks]`.",
  "hook-vetoed":
    "The hook `before_fence` ended with another status than 0, or not in its time: that is a veto, and what had been done is taken back. The writes had not been stopped. The message has its last words, the journal its output.",
  "hook-failed":
    "A hook ended with another status than 0, or not in its time, or was not run because the run had fallen short of what it was to be told. It stops nothing; the journal has its output.",
  "step-failed": "A best-effort step failed; the message gives the reason.",
} as const satisfies Record<string, string>;
