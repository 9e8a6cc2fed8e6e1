# Read by examples/quickstart.sh and tests/run.sh: a virtual environment of its own, whatever is active outside.
#
#   make_environment FOLDER REQUIREMENT...   sets $bin and $python; $here is the repository

make_environment() {
    case $1 in /*) ;; *) set -- "$PWD/$@" ;; esac
    # Asked for pip, not only for python: Debian leaves half an environment behind where python3-venv is missing.
    if ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        base=$(command -v python3) || { echo "python3 is missing; install Python 3.11 or newer" >&2; exit 1; }
        "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "$base is $("$base" --version); mertool needs Python 3.11 or newer" >&2
            exit 1
        }
        "$base" -m venv --clear "$1" || { echo "could not make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
    fi
    bin=$1/bin
    python=$bin/python
    shift
    # An environment that is active outside must not leak in.
    unset PYTHONPATH PYTHONHOME VIRTUAL_ENV || true
    "$python" -m pip install -q --disable-pip-version-check -c "$here/constraints.txt" "$@"
}
