# fish completion for remaster: generated from the verbs' definitions

# the words of the line that are neither options nor their values: the verb, then its arguments
function __remaster_words
    set -l tokens (commandline -opc)
    set -l skip 0
    for token in $tokens[2..-1]
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $token
            case -f --config -c --cluster -d --dsn --timeout --to --from --require --patience --standbys --not-promotable --pg --bindir --dir
                set skip 1
            case '-*'
            case '*'
                echo -- $token
        end
    end
end

function __remaster_verb
    set -l found (__remaster_words)
    if test (count $argv) -eq 0
        test (count $found) -gt 0
        return
    end
    test (count $found) -gt 0; and test "$found[1]" = "$argv[1]"
end

function __remaster_argument
    set -l found (__remaster_words)
    test (count $found) -eq (math $argv[2] + 1); and test "$found[1]" = "$argv[1]"
end

# node names of the topology file that the line names
function __remaster_nodes
    set -l tokens (commandline -opc)
    set -l cluster
    for index in (seq 2 (count $tokens))
        switch $tokens[$index]
            case -f --config -c --cluster -d --dsn
                if test $index -lt (count $tokens)
                    set -a cluster $tokens[$index] $tokens[(math $index + 1)]
                end
            case '--config=*' '--cluster=*' '--dsn=*'
                set -a cluster $tokens[$index]
        end
    end
    command $tokens[1] completion nodes $cluster 2>/dev/null
end

complete -c remaster -f
complete -c remaster -n 'not __remaster_verb' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n 'not __remaster_verb' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n 'not __remaster_verb' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n 'not __remaster_verb' -l json -d 'one JSON report on stdout'
complete -c remaster -n 'not __remaster_verb' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n 'not __remaster_verb' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n 'not __remaster_verb' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n 'not __remaster_verb' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n 'not __remaster_verb' -s h -l help -d 'this help'
complete -c remaster -n 'not __remaster_verb' -l version -d 'the version of remaster'
complete -c remaster -n 'not __remaster_verb' -a status -d 'show the cluster as a tree, with what is wrong'
complete -c remaster -n 'not __remaster_verb' -a compare-lsn -d 'rank the standbys by position and name a candidate'
complete -c remaster -n 'not __remaster_verb' -a quiesce -d 'bring the WAL intake of standbys to a proven stop'
complete -c remaster -n 'not __remaster_verb' -a unquiesce -d 'give quiesced standbys their settings back'
complete -c remaster -n 'not __remaster_verb' -a exchange -d 'stream to a standby what another one has and it lacks'
complete -c remaster -n 'not __remaster_verb' -a promote -d 'make a standby the primary, on a new timeline'
complete -c remaster -n 'not __remaster_verb' -a repoint -d 'give standbys another upstream and see them follow it'
complete -c remaster -n 'not __remaster_verb' -a stop -d 'stop a server through its control'
complete -c remaster -n 'not __remaster_verb' -a heal -d 'clear a torn end of WAL so that a standby can follow'
complete -c remaster -n 'not __remaster_verb' -a failover -d 'the primary is gone: bring the cluster to its next one'
complete -c remaster -n 'not __remaster_verb' -a sandbox -d 'throw-away clusters of real servers, to try things on'
complete -c remaster -n 'not __remaster_verb' -a rehearse -d 'kill a primary under load, fail over, count the rows'
complete -c remaster -n 'not __remaster_verb' -a completion -d 'print the completion script of a shell'
complete -c remaster -n 'not __remaster_verb' -a help -d 'explain a verb'
complete -c remaster -n '__remaster_argument help 0' -a 'status compare-lsn quiesce unquiesce exchange promote repoint stop heal failover sandbox rehearse completion'
complete -c remaster -n '__remaster_verb status' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb status' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb status' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb status' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb status' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb status' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb status' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb status' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb status' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb compare-lsn' -l to -x -a '(__remaster_nodes)' -d 'ask about this candidate instead of the best one'
complete -c remaster -n '__remaster_verb compare-lsn' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb compare-lsn' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb compare-lsn' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb compare-lsn' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb compare-lsn' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb compare-lsn' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb compare-lsn' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb compare-lsn' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb compare-lsn' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb quiesce' -l cancel-queries -d 'end the sessions that hold replay up'
complete -c remaster -n '__remaster_verb quiesce' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb quiesce' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb quiesce' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb quiesce' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb quiesce' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb quiesce' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb quiesce' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb quiesce' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb quiesce' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb quiesce' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb quiesce' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb quiesce' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb quiesce' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb unquiesce' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb unquiesce' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb unquiesce' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb unquiesce' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb unquiesce' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb unquiesce' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb unquiesce' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb unquiesce' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb unquiesce' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb unquiesce' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb unquiesce' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb unquiesce' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb unquiesce' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb exchange' -l to -x -a '(__remaster_nodes)' -d 'the node that is brought level'
complete -c remaster -n '__remaster_verb exchange' -l from -x -a '(__remaster_nodes)' -d 'the source; the node farthest ahead when not given'
complete -c remaster -n '__remaster_verb exchange' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb exchange' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb exchange' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb exchange' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb exchange' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb exchange' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb exchange' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb exchange' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb exchange' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb exchange' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb exchange' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb exchange' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb promote' -l require -x -d 'refuse unless the node holds this position, such as 3@0/16B3748'
complete -c remaster -n '__remaster_verb promote' -l patience -x -d 'a standby\'s last message from its upstream must be older than this'
complete -c remaster -n '__remaster_verb promote' -l accept-data-loss -d 'promote although another reachable node has more: that is lost'
complete -c remaster -n '__remaster_verb promote' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb promote' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb promote' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb promote' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb promote' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb promote' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb promote' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb promote' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb promote' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb promote' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb promote' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb promote' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_argument promote 0' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb repoint' -l to -x -a '(__remaster_nodes)' -d 'the node to stream from: a primary, or a standby (a cascade)'
complete -c remaster -n '__remaster_verb repoint' -l all -d 'every reachable standby that is not above the upstream'
complete -c remaster -n '__remaster_verb repoint' -l no-wait -d 'only tell them; the same verb without it sees them follow and settles the setting'
complete -c remaster -n '__remaster_verb repoint' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb repoint' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb repoint' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb repoint' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb repoint' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb repoint' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb repoint' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb repoint' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb repoint' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb repoint' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb repoint' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb repoint' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb repoint' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb stop' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb stop' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb stop' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb stop' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb stop' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb stop' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb stop' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb stop' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb stop' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb stop' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb stop' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb stop' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb stop' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb heal' -l to -x -a '(__remaster_nodes)' -d 'the node that it is to follow'
complete -c remaster -n '__remaster_verb heal' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb heal' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb heal' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb heal' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb heal' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb heal' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb heal' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb heal' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb heal' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb heal' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb heal' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb heal' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_argument heal 0' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb failover' -l to -x -a '(__remaster_nodes)' -d 'the standby to promote; the best candidate when not given'
complete -c remaster -n '__remaster_verb failover' -l primary-is-dead -d 'your word that the old primary is dead and stays dead'
complete -c remaster -n '__remaster_verb failover' -l patience -x -d 'a standby\'s last message from its upstream must be older than this'
complete -c remaster -n '__remaster_verb failover' -s n -l dry-run -d 'show the plan that would run, change nothing'
complete -c remaster -n '__remaster_verb failover' -l script -d 'print the plan as a POSIX shell script, change nothing'
complete -c remaster -n '__remaster_verb failover' -s y -l yes -d 'do not ask'
complete -c remaster -n '__remaster_verb failover' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb failover' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb failover' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb failover' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb failover' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb failover' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb failover' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb failover' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb failover' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb sandbox' -l standbys -x -d 'up: how many standbys'
complete -c remaster -n '__remaster_verb sandbox' -l not-promotable -x -a '(__remaster_nodes)' -d 'up: a node that may never lead (several: n3,n4)'
complete -c remaster -n '__remaster_verb sandbox' -l pg -x -a '13 14 15 16 17 18' -d 'up: PostgreSQL of this major version'
complete -c remaster -n '__remaster_verb sandbox' -l bindir -x -a '(__fish_complete_directories (commandline -ct))' -d 'up: directory of PostgreSQL\'s server programs'
complete -c remaster -n '__remaster_verb sandbox' -l dir -x -a '(__fish_complete_directories (commandline -ct))' -d 'where it stands; a fixed place of each user when not given'
complete -c remaster -n '__remaster_verb sandbox' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb sandbox' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb sandbox' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb sandbox' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb sandbox' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb sandbox' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb sandbox' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb sandbox' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb sandbox' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_argument sandbox 0' -a 'up status stop start kill freeze thaw cut join down'
complete -c remaster -n '__remaster_verb sandbox' -a '(__remaster_nodes)'
complete -c remaster -n '__remaster_verb rehearse' -l pg -x -a '13 14 15 16 17 18' -d 'PostgreSQL of this major version'
complete -c remaster -n '__remaster_verb rehearse' -l bindir -x -a '(__fish_complete_directories (commandline -ct))' -d 'directory of PostgreSQL\'s server programs'
complete -c remaster -n '__remaster_verb rehearse' -l dir -x -a '(__fish_complete_directories (commandline -ct))' -d 'where the servers stand; a new directory for temporary files when not given'
complete -c remaster -n '__remaster_verb rehearse' -l keep -d 'leave the servers running afterwards'
complete -c remaster -n '__remaster_verb rehearse' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb rehearse' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb rehearse' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb rehearse' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb rehearse' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb rehearse' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb rehearse' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb rehearse' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb rehearse' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_verb completion' -s f -l config -x -a '(__fish_complete_path (commandline -ct))' -d 'topology file'
complete -c remaster -n '__remaster_verb completion' -s c -l cluster -x -d 'cluster by name, from the configuration directories'
complete -c remaster -n '__remaster_verb completion' -s d -l dsn -x -d 'connect without a file; several hosts make a cluster'
complete -c remaster -n '__remaster_verb completion' -l json -d 'one JSON report on stdout'
complete -c remaster -n '__remaster_verb completion' -s q -l quiet -d 'one word or nothing on stdout, no talk'
complete -c remaster -n '__remaster_verb completion' -s v -l verbose -d 'say more on stderr'
complete -c remaster -n '__remaster_verb completion' -l no-color -d 'no colours, as with NO_COLOR'
complete -c remaster -n '__remaster_verb completion' -l timeout -x -d 'deadline of the run: 500ms, 10s, 2m'
complete -c remaster -n '__remaster_verb completion' -s h -l help -d 'this help'
complete -c remaster -n '__remaster_argument completion 0' -a 'bash zsh fish nodes'
