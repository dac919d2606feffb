#!/bin/sh
# For cron: says something only when the cluster has a problem, or when nobody could take over now.
set -u

remaster status --quiet >/dev/null || remaster status
remaster compare-lsn --quiet >/dev/null || echo "no standby could take over: see remaster compare-lsn"
