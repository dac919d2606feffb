#!/bin/sh
# A failover by its primitive verbs, for whoever wants to do something of their own in between.
# Whoever starts this has made sure that the old primary is dead and stays dead.
set -eu

candidate=$(remaster compare-lsn --quiet)
remaster promote "$candidate" --accept-data-loss --dry-run --quiet # refuses while a primary answers

# It refuses by itself where a promotion may still come.
take_back() {
  status=$?
  remaster undo --yes || true
  exit "$status"
}
trap take_back EXIT
remaster quiesce --yes
candidate=$(remaster compare-lsn --quiet) # now for certain
remaster exchange --to "$candidate" --yes
remaster promote "$candidate" --yes
trap - EXIT

remaster repoint --all --to "$candidate" --yes
