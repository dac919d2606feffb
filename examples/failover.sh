#!/bin/sh
# A failover by its primitive verbs, for whoever wants to do something of their own in between.
# Whoever starts this has made sure that the old primary is dead and stays dead.
set -eu

trap 'remaster unquiesce --yes' EXIT
remaster quiesce --yes
candidate=$(remaster compare-lsn --quiet)
remaster exchange --to "$candidate" --yes
trap - EXIT

remaster promote "$candidate" --yes
remaster repoint --all --to "$candidate" --yes
