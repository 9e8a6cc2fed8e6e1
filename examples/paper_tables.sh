#!/bin/sh
# The paper's Tables 5 and 6: trains its sixteen conditions and prints both tables, our figures beside the paper's.
#
#   examples/paper_tables.sh PACK CKPACK OUT [CONDITION...] [-- options of mertool [-- options of mertool cv]]
#   examples/paper_tables.sh SAMM.npz CKplus.npz tables
#   examples/paper_tables.sh SAMM.npz CKplus.npz tables roi-3f roi-3f-abn -- --recipe modern --epochs 10 -- --jobs 2
#   examples/paper_tables.sh --list
#
# --list prints the names of the conditions; without CK+, name the other conditions and give any word as CKPACK:
#   examples/paper_tables.sh SAMM.npz none tables $(examples/paper_tables.sh --list | grep -v ckplus)
#
# A condition is named by its settings, e.g. roi-3f-abn-arcface:
#   roi, face         the fifteen regions (Table 5) or the full face (Table 6)
#   1f, 3f            the apex alone (2D) or onset, middle and apex (3D)
#   abn               with attention branch
#   ckplus, arcface   fine-tuned from CK+, or with ArcFace loss; neither: ResNet
# Without a CONDITION all of them are trained. Each gets a folder of its own, OUT/CONDITION. Those with ckplus begin
# with a network that is trained first, on CKPACK and its seven emotions, in OUT/ckplus-3f-abn and so on; no other
# condition opens CKPACK.
#
# Training is the paper's recipe and stratified five folds, unless options say otherwise. Those behind the first -- go
# to every training, the ones on CK+ too (mertool train --help lists them; --classes is for PACK alone); those behind
# a second -- go to cv only, such as --jobs, --protocol and --folds.
#
# Killed or interrupted, the same command goes on where it was; with other names it adds conditions. At its end it
# prints the tables of all that is finished, and writes them to OUT/paper.txt and OUT/paper.tex; unless all that was
# asked for is in them, it says what is missing and exits with 1.
# mertool must be on the PATH, e.g. by an active environment.
set -eu
all='roi-1f roi-3f roi-1f-ckplus roi-3f-ckplus roi-1f-arcface roi-3f-arcface
roi-1f-abn roi-3f-abn roi-1f-abn-ckplus roi-3f-abn-ckplus roi-1f-abn-arcface roi-3f-abn-arcface
face-1f face-3f face-1f-abn face-3f-abn'

# fail MESSAGE [EXIT CODE]
fail() {
    printf 'paper_tables.sh: %s\n' "$1" >&2
    exit "${2:-2}"
}

# shellcheck disable=SC2086 # words are meant
list() { printf '%s\n' $all; }

# The options of a condition's network: input and attention branch.
network_of() {
    case $1 in *-1f*) frames=1 ;; *) frames=3 ;; esac
    case $1 in *-abn*) abn=--abn ;; *) abn=--no-abn ;; esac
    echo "--${1%%-*} --frames $frames $abn"
}

# Where the network lies that a condition is fine-tuned from: roi-3f-abn-ckplus -> OUT/ckplus-3f-abn
origin_of() {
    name=${1#roi-}
    printf '%s\n' "$out/ckplus-${name%-ckplus}" # not echo: dash's reads backslashes
}

# train_origin CONDITION N OPTION...: only the first N options are for training.
# What makes the condition stands last, where it counts.
train_origin() {
    condition=$1 left=$2
    shift 2
    for word do
        shift
        [ "$left" -le 0 ] || set -- "$@" "$word"
        left=$((left - 1))
    done
    # shellcheck disable=SC2046
    mertool train "$ck" --recipe paper "$@" --classes ckplus7 --no-arcface $(network_of "$condition") \
        -o "$(origin_of "$condition")" $(resume_of "$(origin_of "$condition")")
}

# The option that continues a run, if there is one.
resume_of() {
    [ ! -e "$1/config.json" ] || echo --resume
}

# validate CONDITION OPTION...
validate() {
    condition=$1
    shift
    case $condition in
        *-ckplus) set -- "$@" --no-arcface --init "$(origin_of "$condition")" ;;
        *-arcface) set -- "$@" --arcface ;;
        *) set -- "$@" --no-arcface ;;
    esac
    # Its own report is not printed: the tables follow.
    # shellcheck disable=SC2046
    mertool cv "$pack" --recipe paper "$@" $(network_of "$condition") -o "$out/$condition" \
        $(resume_of "$out/$condition") >/dev/null
}

# Sets `finished` to the conditions that can be reported, `missing` to those that were asked for and cannot.
look() {
    finished='' missing=''
    for condition in $all; do
        if [ -f "$out/$condition/results.json" ] &&
            mertool report "$out/$condition" --format csv --quiet >/dev/null; then
            finished="$finished $condition"
        else
            # shellcheck disable=SC2086 # words are meant
            ! printf '%s\n' ${chosen:-$all} | grep -qxF "$condition" || missing="$missing $condition"
        fi
    done
}

# show FORMAT FILE: the tables of what is finished, under the final name only when whole.
show() {
    style=$1 file=$2
    set --
    for condition in $finished; do
        set -- "$@" "$out/$condition"
    done
    part=$out/.$file.$$
    mertool report "$@" --tables paper --format "$style" --quiet >"$part"
    mv "$part" "$out/$file"
}

[ "${1:-}" != --list ] || { list; exit 0; }
[ $# -ge 3 ] || { sed -n '2,29s/^# \{0,1\}//p' "$0" >&2; exit 2; }
pack=$1 ck=$2 out=$3
shift 3
# No name is an option.
case $pack in -*) pack=./$pack ;; esac
case $ck in -*) ck=./$ck ;; esac
case $out in -*) out=./$out ;; esac
chosen=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    list | grep -qxFe "$1" || fail "no condition '$1'; examples/paper_tables.sh --list names them, options follow a --"
    chosen="$chosen $1"
    shift
done
[ $# -eq 0 ] || shift

# From here on "$@" is every option, without the second --; the first n_shared of them are for training too.
n_shared=0
behind=
for word do
    shift
    case $word in
        --)
            [ -z "$behind" ] || fail "a third --; see its header for what stands behind the first two"
            behind=yes
            continue
            ;;
        --face | --roi | --frames | --frames=* | --abn | --no-abn | --arcface | --no-arcface | --init | --init=* | \
            -o* | --output | --output=* | --resume)
            fail "$word: the condition decides this; leave it out"
            ;;
    esac
    [ -n "$behind" ] || n_shared=$((n_shared + 1))
    set -- "$@" "$word"
done

part=
trap '[ -z "$part" ] || rm -f "$part"' EXIT
for name in ${chosen:-$all}; do
    echo "== $name" >&2
    case $name in *-ckplus) train_origin "$name" "$n_shared" "$@" ;; esac
    validate "$name" "$@"
done
look
[ -n "$finished" ] || fail "no condition is finished yet" 1
show text paper.txt
show latex paper.tex
cat "$out/paper.txt"
[ -z "$missing" ] || fail "not in these tables, for it is not finished:$missing" 1
