#!/bin/sh
# Installs mertool with its test extra into a virtual environment and runs every check. May be run again, from any
# folder, with an environment active or not.
#
#   sh tests/run.sh          everything that takes minutes
#   sh tests/run.sh --full   the long checks as well
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/examples/environment.sh"
# Editable, so that tests and benchmarks in this folder meet the sources and the extension built from them.
make_environment "${MERTOOL_TEST_ENV:-$here/.venv}" -e "$here[test]"
cd "$here"
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
find csrc tests -name '*.[ch]pp' -exec "$bin/clang-format" --dry-run --Werror {} +
marker='not full'
[ "${1:-}" != --full ] || { shift; marker=''; }
# A process for each core; a file's tests stay together, since they share what is costly to make, and in the files' order,
# since otherwise those of few but long tests come last, when the other cores have nothing left to do.
exec "$python" -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "$marker" "$@"
