#!/bin/sh
# Cross-validate with several folds at once on one machine, without Slurm or GNU parallel: one process a fold (of each
# repeat).
#
#   examples/parallel.sh AT_ONCE RUN PACK... [options of mertool cv]
#   examples/parallel.sh 4 runs/loso SAMM.npz --protocol loso
#
# (The same, with a bar: mertool cv PACK... -o RUN --jobs AT_ONCE. This is a pattern for other schedulers.)
set -eu
[ $# -ge 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
at_once=$1
run=$2
shift 2
[ ! -e "$run/config.json" ] || set -- "$@" --resume
plan=$(mertool cv "$@" -o "$run" --plan --quiet)
printf '%s\n' "$plan" | tr '\n' '\0' | xargs -0 -P "$at_once" -I{} sh -c '{} --quiet >/dev/null'
mertool report "$run"
