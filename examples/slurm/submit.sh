#!/bin/sh
# Cross-validate as a Slurm array, one task a fold (of each repeat), and report when all are done.
#
#   examples/slurm/submit.sh RUN PACK... [options of mertool cv]
#   examples/slurm/submit.sh runs/loso SAMM.npz CASME2.npz SMIC.npz --classes megc3 --protocol loso
#
# Submitted again with the same arguments, it continues: finished folds are not trained again. Options for sbatch, such as
# a partition or --gres=gpu:1, go into SBATCH_OPTIONS. mertool must be on the PATH, e.g. by an active environment.
set -eu
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
command -v sbatch >/dev/null || {
    echo "sbatch: not found; run this where Slurm is, or examples/parallel.sh without it" >&2
    exit 1
}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
run=$1
shift
# Writes the folds and says a command for each; of a run that is there already it takes settings and folds from it.
[ ! -e "$run/config.json" ] || set -- "$@" --resume
plan=$(mertool cv "$@" -o "$run" --plan --quiet)
folds=$(printf '%s\n' "$plan" | wc -l)
mkdir -p "$run/slurm"
# Renamed into place: tasks of an earlier submission may be reading it.
printf '%s\n' "$plan" >"$run/slurm/plan.txt.$$"
mv "$run/slurm/plan.txt.$$" "$run/slurm/plan.txt"
array=$(sbatch --parsable --job-name=mertool --array="0-$((folds - 1))" --output="$run/slurm/%a.txt" \
    ${SBATCH_OPTIONS:-} "$here/fold.sbatch" "$run")
# afterany: also after a killed task, so that the report says which fold is missing.
sbatch --parsable --job-name=mertool-report --dependency="afterany:${array%%;*}" --output="$run/slurm/report.txt" \
    ${SBATCH_OPTIONS:-} "$here/report.sbatch" "$run"
echo "$folds folds; the report will stand in $run/slurm/report.txt" >&2
