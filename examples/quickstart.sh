#!/bin/sh
# From nothing to a cross-validated table on made-up recordings: installs mertool into a virtual environment, makes the
# recordings, and runs the three commands. May be run again, from any folder. Four minutes on two cores here.
#
#   sh examples/quickstart.sh
#
# MERTOOL_DEMO names the folder to work in (default: demo beside this repository's README).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
demo=${MERTOOL_DEMO:-$here/demo}
. "$here/examples/environment.sh"
mkdir -p "$demo"
demo=$(CDPATH='' cd -- "$demo" && pwd)
make_environment "$demo/.venv" "$here[demo,landmarks]"

cd "$demo"
if [ ! -d SAMM ]; then
    rm -rf SAMM.part
    "$python" "$here/examples/make_recordings.py" SAMM.part
    mv SAMM.part SAMM
fi
echo "== mertool extract"
"$bin/mertool" extract SAMM --sheet contact.png
echo "== mertool cv"
if [ SAMM.npz -nt run/config.json ]; then
    rm -rf run # of an older pack
fi
# Shorter than the default, so that the whole demonstration takes minutes.
resume=
[ ! -e run/config.json ] || resume=--resume
"$bin/mertool" cv SAMM.npz --roi --frames 3 --abn --epochs 15 -o run $resume
"$bin/mertool" report run --format html --faces # of a portrait in the public domain
echo
echo "Report:          $demo/report.html"
echo "Contact sheet:   $demo/contact.png"
echo "mertool itself:  $bin/mertool"
