#!/usr/bin/env bash
# Runs chapters by nbval under conditions that the machines of a class may have.
#
#     tools/everywhere.sh                           # chapter 2 under every condition, once
#     CHAPTERS=chapters RUNS=20 tools/everywhere.sh # all chapters, twenty times
#     ONLY="load locale" tools/everywhere.sh        # some conditions
#
# Needs Linux, and root for those that change mounts, network or memory; what can't be had is
# named. Ends with 1 if a run failed.
set -uo pipefail
cd "$(dirname "$0")/.."
here=$PWD
chapters=${CHAPTERS:-chapters/02-the-mnist-dataset.ipynb}
runs=${RUNS:-1}
export PYTHONDONTWRITEBYTECODE=1
nbval() { "$@" "$here/.venv/bin/python" -m pytest -q -p no:cacheprovider --nbval $chapters; }
log=$(mktemp); work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
failures=0

try() { # NAME COMMAND...: the command is put in front of Python
  local name=$1 failed=0
  shift
  [[ -z ${ONLY:-} || " $ONLY " == *" $name "* ]] || return 0
  for ((i = 0; i < runs; i++)); do
    nbval "$@" >"$log" 2>&1 || { failed=$((failed + 1)); tail -n 30 "$log"; }
  done
  failures=$((failures + failed))
  printf '%-12s %3d runs, %d failed\n' "$name" "$runs" "$failed"
}

untried() { [[ -z ${ONLY:-} || " $ONLY " == *" $1 "* ]] && printf '%-12s not tried: %s\n' "$1" "$2"; }

try plain env
try one-core taskset -c 0
try two-cores taskset -c 0,1
for _ in 1 2 3 4; do (while :; do :; done) & done
try load env
kill $(jobs -p)
wait 2>/dev/null
try sse env XLA_FLAGS=--xla_cpu_max_isa=SSE4_2
try avx2 env XLA_FLAGS=--xla_cpu_max_isa=AVX2
language=$(locale -a | grep -Ei '^(de|fr|tr)_.*utf-?8' | head -n 1)
[[ -n $language ]] || echo "(no other locale is installed: C stands in, without UTF-8)"
try locale env LC_ALL="${language:-C}" LANG="${language:-C}" TZ=Pacific/Chatham
try no-home env -u HOME -u XDG_CACHE_HOME
try home-missing env -u XDG_CACHE_HOME HOME=/nowhere

copy="$work/a path with ünïcode 数字"
mkdir -p "$copy"
git ls-files -z | xargs -0 cp --parents -t "$copy"
cd "$copy" && try path env PYTHONPATH="$copy"
cd "$here"

if unshare -n true 2>/dev/null; then
  try no-network unshare -n sh -c 'ip link set lo up 2>/dev/null || python3 -c "
import fcntl, socket, struct
with socket.socket() as s:  # kernels of notebooks talk over the loopback
    fcntl.ioctl(s, 0x8914, struct.pack(\"16sh14x\", b\"lo\", 1))"; exec "$@"' sh
else
  untried no-network "needs root"
fi
if unshare -m true 2>/dev/null; then
  try read-only unshare -m sh -c 'mount --bind "$PWD" "$PWD" &&
    mount -o remount,ro,bind "$PWD" && cd "$PWD" && exec "$@"' sh
else
  untried read-only "needs root"
fi
if systemd-run --scope --quiet true 2>/dev/null; then
  try memory systemd-run --scope --quiet -p MemoryMax=4G -p MemorySwapMax=0
elif [[ -e /sys/fs/cgroup/cgroup.controllers ]] &&
  mkdir "/sys/fs/cgroup/everywhere-$$" 2>/dev/null; then
  echo 4G >"/sys/fs/cgroup/everywhere-$$/memory.max" &&
    try memory sh -c 'echo $$ >"/sys/fs/cgroup/$0/cgroup.procs"; exec "$@"' "everywhere-$$"
  rmdir "/sys/fs/cgroup/everywhere-$$"
elif mkdir "/sys/fs/cgroup/memory/everywhere-$$" 2>/dev/null; then
  echo 4G >"/sys/fs/cgroup/memory/everywhere-$$/memory.limit_in_bytes" &&
    try memory sh -c 'echo $$ >"/sys/fs/cgroup/memory/$0/cgroup.procs"; exec "$@"' "everywhere-$$"
  rmdir "/sys/fs/cgroup/memory/everywhere-$$"
else
  untried memory "needs systemd or a cgroup that may be written"
fi
exit $((failures > 0))
