#!/bin/sh
# A failover by its primitive verbs, for whoever wants to do something of their own in between.
# Whoever starts this has made sure that the old primary is dead and stays dead.
set -eu

candidate=$(remaster compare-lsn --quiet)
remaster promote "$candidate" --accept-data-loss --dry-run --quiet # refuses while a primary answers

# A promotion that ended with 8 may still come: then nothing is taken back.
take_back() {
  status=$?
  if [ "$status" -ne 8 ]; then remaster unquiesce --yes; fi
  exit "$status"
}
trap take_back EXIT
remaster quiesce --yes
candidate=$(remaster compare-lsn --quiet) # now for certain
remaster exchange --to "$candidate" --yes
remaster promote "$candidate" --yes
trap - EXIT

remaster repoint --all --to "$candidate" --yes
