# bash completion for remaster: generated from the verbs' definitions
# shellcheck shell=bash

# candidates for the word under the cursor, one per line
_remaster_candidates() {
  local from=$1
  shift
  case "$from" in
    words) printf '%s\n' "$@" ;;
    nodes | poolers) "${COMP_WORDS[0]/#\~/$HOME}" completion "$from" "${_remaster_cluster[@]}" 2>/dev/null ;;
    files) compgen -f -- "$_remaster_cur" ;;
    directories) compgen -d -- "$_remaster_cur" ;;
  esac
}

# those that begin with it; bash appends slashes to directories where they are file names
_remaster_offer() {
  local candidate
  case "$1" in files | directories) compopt -o filenames 2>/dev/null ;; esac
  while IFS= read -r candidate; do
    if [[ $candidate == "$_remaster_cur"* ]]; then COMPREPLY+=("$candidate"); fi
  done < <(_remaster_candidates "$@")
}

_remaster_status() {
  case "$1" in
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_compare_lsn() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --accept-timeline -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_history() {
  case "$1" in
    --limit)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --limit -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) : ;;
  esac
}

_remaster_quiesce() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --cancel-queries --accept-blocked-commits -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) _remaster_offer nodes ;;
  esac
}

_remaster_unquiesce() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) _remaster_offer nodes ;;
  esac
}

_remaster_exchange() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --from)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --from -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_promote() {
  case "$1" in
    --require)
      :
      return
      ;;
    --patience)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --require --closed --patience --accept-data-loss -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_repoint() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --all --no-wait --keep-mark --accept-blocked-commits -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) _remaster_offer nodes ;;
  esac
}

_remaster_checkpoint() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) _remaster_offer nodes ;;
  esac
}

_remaster_demote() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_reinstate() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_rejoin() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --accept-data-loss -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_fence() {
  case "$1" in
    --spare)
      :
      return
      ;;
    --to)
      _remaster_offer nodes
      return
      ;;
    --confirmed)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --spare --to --confirmed -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_unfence() {
  case "$1" in
    --of)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --of -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_close() {
  case "$1" in
    --of)
      _remaster_offer nodes
      return
      ;;
    --slot)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --of --slot -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_make_slots() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_pause() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer poolers ;;
  esac
}

_remaster_resume() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --from)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --from -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer poolers ;;
  esac
}

_remaster_stop() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) _remaster_offer nodes ;;
  esac
}

_remaster_heal() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_drop_slot() {
  case "$1" in
    --slot)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --slot -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_keep_slots() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_slot_sync() {
  case "$1" in
    --standby)
      _remaster_offer nodes
      return
      ;;
    --slot)
      :
      return
      ;;
    --watch)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --standby --slot --check --no-physical --prune --watch --once --allow-restart --configure --enable-failover -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_slot_settings() {
  case "$1" in
    --slot)
      :
      return
      ;;
    --dbname)
      :
      return
      ;;
    --synchronized)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --feedback --slot --dbname --synchronized -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_slot_failover() {
  case "$1" in
    --slot)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --slot -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer nodes ;;
  esac
}

_remaster_hook() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --from)
      _remaster_offer nodes
      return
      ;;
    --for)
      :
      return
      ;;
    --outcome)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --from --for --outcome -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer words before_fence after_promote after_finish on_failure ;;
  esac
}

_remaster_failover() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --patience)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --primary-is-dead --accept-data-loss --accept-minority --accept-stranded-standbys --accept-blocked-commits --patience -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_switchover() {
  case "$1" in
    --to)
      _remaster_offer nodes
      return
      ;;
    --spare)
      :
      return
      ;;
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --to --spare --accept-stranded-standbys --accept-blocked-commits --accept-slot-loss --accept-long-pause -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_undo() {
  case "$1" in
    --accept-timeline)
      :
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -n --dry-run --script -y --yes --accept-timeline --override-manager --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_lock() {
  case "$1" in
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --take-over -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    *) : ;;
  esac
}

_remaster_sandbox() {
  case "$1" in
    --standbys)
      :
      return
      ;;
    --not-promotable)
      _remaster_offer nodes
      return
      ;;
    --pg)
      _remaster_offer words 13 14 15 16 17 18
      return
      ;;
    --bindir)
      _remaster_offer directories
      return
      ;;
    --dir)
      _remaster_offer directories
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --standbys --not-promotable --pg --bindir --dir -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer words up status stop start kill freeze thaw cut join down ;;
    *) _remaster_offer nodes ;;
  esac
}

_remaster_rehearse() {
  case "$1" in
    --pg)
      _remaster_offer words 13 14 15 16 17 18
      return
      ;;
    --bindir)
      _remaster_offer directories
      return
      ;;
    --dir)
      _remaster_offer directories
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --pg --bindir --dir --keep -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_role() {
  case "$1" in
    --print)
      :
      return
      ;;
    --pg)
      _remaster_offer words 13 14 15 16 17 18
      return
      ;;
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words --print --pg -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
}

_remaster_completion() {
  case "$1" in
    -f | --config)
      _remaster_offer files
      return
      ;;
    -c | --cluster)
      :
      return
      ;;
    -d | --dsn)
      :
      return
      ;;
    --timeout)
      :
      return
      ;;
  esac
  if [[ $_remaster_cur == -* ]]; then
    _remaster_offer words -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help
    return
  fi
  case "$2" in
    0) _remaster_offer words bash zsh fish nodes poolers ;;
  esac
}

_remaster() {
  COMPREPLY=()
  local _remaster_cur=${COMP_WORDS[COMP_CWORD]} previous='' verb='' count=0 index word
  local -a _remaster_cluster=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    # bash splits --option=value into three words
    if [[ $word == = ]]; then continue; fi
    case "$previous" in
      -f | --config | -c | --cluster | -d | --dsn)
        _remaster_cluster+=("$previous" "${word/#\~/$HOME}")
        previous=''
        continue
        ;;
      --timeout | --to | --accept-timeline | --limit | --from | --require | --patience | --spare | --confirmed | --of | --slot | --standby | --watch | --dbname | --synchronized | --for | --outcome | --standbys | --not-promotable | --pg | --bindir | --dir | --print)
        previous=''
        continue
        ;;
    esac
    previous=$word
    if [[ $word == -* ]]; then continue; fi
    if [[ -z $verb ]]; then verb=$word; else count=$((count + 1)); fi
  done
  if [[ $_remaster_cur == = ]]; then _remaster_cur=''; fi
  case "$verb" in
    status) _remaster_status "$previous" "$count" ;;
    compare-lsn) _remaster_compare_lsn "$previous" "$count" ;;
    history) _remaster_history "$previous" "$count" ;;
    quiesce) _remaster_quiesce "$previous" "$count" ;;
    unquiesce) _remaster_unquiesce "$previous" "$count" ;;
    exchange) _remaster_exchange "$previous" "$count" ;;
    promote) _remaster_promote "$previous" "$count" ;;
    repoint) _remaster_repoint "$previous" "$count" ;;
    checkpoint) _remaster_checkpoint "$previous" "$count" ;;
    demote) _remaster_demote "$previous" "$count" ;;
    reinstate) _remaster_reinstate "$previous" "$count" ;;
    rejoin) _remaster_rejoin "$previous" "$count" ;;
    fence) _remaster_fence "$previous" "$count" ;;
    unfence) _remaster_unfence "$previous" "$count" ;;
    close) _remaster_close "$previous" "$count" ;;
    make-slots) _remaster_make_slots "$previous" "$count" ;;
    pause) _remaster_pause "$previous" "$count" ;;
    resume) _remaster_resume "$previous" "$count" ;;
    stop) _remaster_stop "$previous" "$count" ;;
    heal) _remaster_heal "$previous" "$count" ;;
    drop-slot) _remaster_drop_slot "$previous" "$count" ;;
    keep-slots) _remaster_keep_slots "$previous" "$count" ;;
    slot-sync) _remaster_slot_sync "$previous" "$count" ;;
    slot-settings) _remaster_slot_settings "$previous" "$count" ;;
    slot-failover) _remaster_slot_failover "$previous" "$count" ;;
    hook) _remaster_hook "$previous" "$count" ;;
    failover) _remaster_failover "$previous" "$count" ;;
    switchover) _remaster_switchover "$previous" "$count" ;;
    undo) _remaster_undo "$previous" "$count" ;;
    lock) _remaster_lock "$previous" "$count" ;;
    sandbox) _remaster_sandbox "$previous" "$count" ;;
    rehearse) _remaster_rehearse "$previous" "$count" ;;
    role) _remaster_role "$previous" "$count" ;;
    completion) _remaster_completion "$previous" "$count" ;;
    help) if ((count == 0)); then _remaster_offer words status compare-lsn history quiesce unquiesce exchange promote repoint checkpoint demote reinstate rejoin fence unfence close make-slots pause resume stop heal drop-slot keep-slots slot-sync slot-settings slot-failover hook failover switchover undo lock sandbox rehearse role completion; fi ;;
    '')
      case "$previous" in
        -f | --config)
          _remaster_offer files
          return
          ;;
        -c | --cluster)
          :
          return
          ;;
        -d | --dsn)
          :
          return
          ;;
        --timeout)
          :
          return
          ;;
      esac
      if [[ $_remaster_cur == -* ]]; then
        _remaster_offer words -f --config -c --cluster -d --dsn --json -q --quiet -v --verbose --no-color --timeout -h --help --version
      else
        _remaster_offer words status compare-lsn history quiesce unquiesce exchange promote repoint checkpoint demote reinstate rejoin fence unfence close make-slots pause resume stop heal drop-slot keep-slots slot-sync slot-settings slot-failover hook failover switchover undo lock sandbox rehearse role completion help
      fi
      ;;
  esac
}

complete -F _remaster remaster
