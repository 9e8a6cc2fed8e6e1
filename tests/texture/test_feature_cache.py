"""Features kept beside their pack: made once, never taken for others, made again if anything is wrong with them."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mertool.inputs.samples import Samples
from mertool.pack import load_pack
from mertool.settings import Settings
from mertool.texture import cache
from mertool.texture.cache import features_of
from mertool.texture.features import layout_of
from tests.support.command import ROOT
from tests.support.damage import Payload
from tests.support.texture_packs import SMALL, changed, make_pack, only_reading, samples_of

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


# Of each setting another value.
OTHERS = {
    **{"classes": "samm5", "region": "roi", "frames": 1, "input": "flow", "tile": 13, "face_size": 36, "width": 8},
    **{
        "blocks": 2,
        "stem_kernel": 5,
        "stem_stride": 1,
        "abn": True,
        "map_kernel": 1,
        "arcface": True,
        "arc_scale": 12.0,
    },
    **{"arc_margin": 0.3, "arc_ramp": 0.1, "pool": "global", "dropout": 0.1, "temporal_init": "diff"},
    **{"recipe": "paper", "epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "momentum": 0.5},
    **{"weight_decay": 0.1, "warmup": 0.1, "schedule": "constant", "max_grad_norm": 0.5, "augmentations": 3},
    **{"fresh_augmentations": False, "balanced_sampling": True, "hflip": False},
    **{"rotation_deg": 1.0, "contrast": 0.1, "brightness": 1.0},
    **{"method": "cbp-top", "length": 9, "interpolation": "linear", "points": 4, "radii": "1,2,1"},
    **{"sampling": "nearest", "mapping": "full", "normalise": False, "threshold": 9, "signed": True},
    **{"grid": "1,2,2", "n_features": "all", "cost": "10", "fuse_weights": "fitted", "protocol": "loso"},
    **{"folds": 3, "epoch_selection": "inner", "seed": 1, "split_seed": 1, "repeats": 2},
    **{"new_splits": True, "threads": 2},
    **{"device": "cuda", "precision": "bf16"},
}
BASES = {
    "lbp face": Settings(method="lbp-top", face_size=32, tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "lbp regions": Settings(method="lbp-top", region="roi", tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "cbp face": Settings(method="cbp-top", face_size=32, tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "cbp regions": Settings(method="cbp-top", region="roi", tile=12, length=6, grid="1,1,2", radii="1,1,1"),
}
MATTER = {"method", "region", "length", "interpolation", "points", "radii", "normalise", "grid"}
MATTER_OF = {
    "lbp face": {*MATTER, "face_size", "sampling", "mapping"},
    "lbp regions": {*MATTER, "tile", "sampling", "mapping"},
    "cbp face": {*MATTER, "face_size", "threshold", "signed"},
    "cbp regions": {*MATTER, "tile", "threshold", "signed"},
}


def kept_files(pack):
    folder = pack.path.with_suffix(".features")
    return sorted(folder.iterdir()) if folder.is_dir() else []


def place_of(pack, settings):
    """Where the features of a pack are kept, and their key."""
    kept = cache._kept(pack, settings)
    return kept.path, kept.key


def computed(samples, settings):
    return features_of(samples, settings, use_cache=False).tobytes()


@pytest.fixture(scope="module")
def shared_pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("shared") / "a.npz", n=2)


def test_another_value_is_known_of_every_setting():
    assert list(OTHERS) == [field.name for field in dataclasses.fields(Settings)]
    for name, value in OTHERS.items():
        assert value != getattr(Settings(), name)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", OTHERS)
def test_settings_that_change_features_and_no_others_change_the_kept_file(shared_pack, base, name):
    """What a setting does to the features is seen from the features themselves, computed anew."""
    settings = BASES[base]
    value = {"region": "face"}.get(name, OTHERS[name]) if settings.region == "roi" else OTHERS[name]
    value = "lbp-top" if name == "method" and settings.method == "cbp-top" else value
    other = changed(settings, **{name: value})
    samples = samples_of(shared_pack)
    same = computed(samples, settings) == computed(samples, other)
    assert same == (name not in MATTER_OF[base])
    before, after = (place_of(shared_pack, chosen) for chosen in (settings, other))
    assert (before == after) == same
    assert (before[0] == after[0]) == same


def test_features_are_made_once_and_then_read(pack, monkeypatch):
    samples = samples_of(pack)
    told = []
    first = features_of(samples, SMALL, lambda *progress: told.append(progress))
    assert first.dtype == np.float32
    assert first.shape == (3, layout_of(SMALL).size)
    assert told[-1] == (3, 3)
    assert len(kept_files(pack)) == 1
    only_reading(monkeypatch)
    told.clear()
    again = features_of(samples, changed(SMALL, seed=5, cost="1", threads=2), lambda *progress: told.append(progress))
    assert again.tobytes() == first.tobytes()
    assert told == [(3, 3)]
    with pytest.raises(AssertionError, match="computed again"):
        features_of(samples, SMALL, use_cache=False)
    with pytest.raises(AssertionError, match="computed again"):
        features_of(samples, changed(SMALL, points=8))


def test_features_that_are_not_to_be_kept_are_not(pack):
    features_of(samples_of(pack), SMALL, use_cache=False)
    assert not pack.path.with_suffix(".features").exists()


def test_equal_packs_and_settings_give_equal_files(pack, tmp_path):
    features_of(samples_of(pack), SMALL)
    (first,) = kept_files(pack)
    (tmp_path / "other").mkdir()
    copy = load_pack(Path(shutil.copy(pack.path, tmp_path / "other")))
    features_of(samples_of(copy), SMALL)
    (second,) = kept_files(copy)
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


def test_a_pack_made_anew_gets_features_of_its_own(pack, monkeypatch):
    """Same name, same ids, one other frame: the kept features of the old one are not taken."""
    old = features_of(samples_of(pack), SMALL)
    anew = make_pack(pack.path, seed=1)
    assert anew.ids == pack.ids
    new = features_of(samples_of(anew), SMALL)
    assert new.tobytes() == computed(samples_of(anew), SMALL) != old.tobytes()
    assert len(kept_files(pack)) == 2


def test_features_follow_the_order_of_the_samples_and_stay_with_their_pack(tmp_path):
    one, two = (make_pack(tmp_path / f"{name}.npz", seed=seed, dataset=name) for seed, name in enumerate(("a", "b")))
    alone = [features_of(samples_of(pack), SMALL) for pack in (one, two)]
    both = samples_of(one, two)
    np.testing.assert_array_equal(features_of(both, SMALL), np.concatenate(alone))
    chosen = np.array([4, 0, 5])  # classes leave clips out; order is that of the samples
    some = Samples(
        both.packs, both.pack_row[chosen], tuple(both.ids[k] for k in chosen), both.labels[chosen], both.classes
    )
    np.testing.assert_array_equal(features_of(some, SMALL), np.concatenate(alone)[chosen])
    assert len(kept_files(one)) == len(kept_files(two)) == 1


def test_the_size_of_a_batch_does_not_show(tmp_path, monkeypatch):
    samples = samples_of(make_pack(tmp_path / "a.npz", n=9))
    expected = computed(samples, SMALL)
    for batch in (1, 4, 9):
        monkeypatch.setattr(cache, "_BATCH", batch)
        dones = []
        found = features_of(samples, SMALL, lambda *progress, dones=dones: dones.append(progress), use_cache=False)
        assert found.tobytes() == expected
        assert [done for done, _ in dones] == [*range(batch, 9, batch), 9, 9]
        assert {total for _, total in dones} == {9}


def archive_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array))
    return stream.getvalue()


def kept_as(table, key, digest=None):
    """A kept file with this table; its own hash unless another is given."""
    table = np.asarray(table)
    digest = digest or hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    return archive_of(key=key, sha256=digest, array=table)


def spoilt(kind, right, key, place):
    """A kept file with a fault, made from the right features and their key."""
    digest = hashlib.sha256(right.tobytes()).hexdigest()
    off = right.copy()
    off[1, 3] += 0.25
    payload = np.array([Payload(place)], object)
    whole = kept_as(right, key)
    return {
        "empty": b"",
        "text": b"features\n",
        "an array, no archive": whole[whole.index(b"\x93NUMPY") :][:200],
        "another key": kept_as(off, key.replace('"points": 4', '"points": 8')),
        "no key": archive_of(sha256=digest, array=right),
        "no features": archive_of(key=key, sha256=digest),
        "no hash": archive_of(key=key, array=off),
        "another table under the old hash": kept_as(off, key, digest),
        "a clip too few": kept_as(off[:2], key),
        "a clip too many": kept_as(np.concatenate([off, off]), key),
        "a feature too few": kept_as(off[:, 1:], key),
        "one axis": kept_as(off.ravel(), key),
        "a number": kept_as(np.float32(1), key),
        "float64": kept_as(off.astype(np.float64), key),
        "whole numbers": kept_as(off.astype(np.int32), key),
        "big-endian": kept_as(off.astype(">f4"), key),
        "pickled features": archive_of(key=key, sha256=digest, array=payload),
        "pickled key": archive_of(key=payload, sha256=digest, array=right),
        "all pickled": archive_of(key=payload, sha256=payload, array=payload),
    }[kind]


FAULTS = (
    *("empty", "text", "an array, no archive", "another key", "no key", "no features", "no hash"),
    *("another table under the old hash", "a clip too few", "a clip too many", "a feature too few", "one axis"),
    *("a number", "float64", "whole numbers", "big-endian", "pickled features", "pickled key", "all pickled"),
)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kept_file_with_a_fault_is_made_again(pack, tmp_path, kind):
    samples = samples_of(pack)
    expected = features_of(samples, SMALL)
    (path,) = kept_files(pack)
    good = path.read_bytes()
    place, key = place_of(pack, SMALL)
    assert place == path
    marker = tmp_path / "unpickled"
    path.write_bytes(spoilt(kind, expected, key, marker))
    assert features_of(samples, SMALL).tobytes() == expected.tobytes()
    assert not marker.exists()
    assert path.read_bytes() == good
    assert kept_files(pack) == [path]


def test_the_payload_of_these_tests_would_have_shown(tmp_path):
    """And the file that these tests write by hand is one that is read."""
    payload = archive_of(array=np.array([Payload(tmp_path / "made")], object))
    with np.load(io.BytesIO(payload), allow_pickle=True) as archive:
        assert archive["array"].shape == (1,)
    assert (tmp_path / "made").exists()
    pack = make_pack(tmp_path / "a.npz")
    path, key = place_of(pack, SMALL)
    path.parent.mkdir()
    planted = np.full((3, layout_of(SMALL).size), 0.5, np.float32)
    path.write_bytes(kept_as(planted, key))
    np.testing.assert_array_equal(features_of(samples_of(pack), SMALL), planted)


def test_a_kept_file_cut_short_or_with_a_flipped_bit_never_shows(pack):
    samples = samples_of(pack)
    expected = features_of(samples, SMALL).tobytes()
    (path,) = kept_files(pack)
    good = path.read_bytes()
    for end in np.linspace(0, len(good) - 1, 25).astype(int):
        path.write_bytes(good[:end])
        assert features_of(samples, SMALL).tobytes() == expected, end
        assert path.read_bytes() == good
    places = {*range(0, 300, 7), *np.linspace(300, len(good) - 1, 60).astype(int).tolist()}
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert features_of(samples, SMALL).tobytes() == expected, place


def test_where_nothing_can_be_kept_features_are_still_made(pack):
    """A file stands where the folder would be: for root too a place that cannot be written."""
    blocked = pack.path.with_suffix(".features")
    blocked.write_text("mine")
    samples = samples_of(pack)
    for _ in range(2):
        assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert blocked.read_text() == "mine"


def test_a_folder_in_the_place_of_the_kept_file_does_not_matter(pack):
    path, _ = place_of(pack, SMALL)
    path.mkdir(parents=True)
    samples = samples_of(pack)
    assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert kept_files(pack) == [path]


def test_a_full_disk_leaves_no_half_file_behind(pack, monkeypatch):
    samples = samples_of(pack)
    expected = computed(samples, SMALL)
    write = np.lib.format.write_array

    def full(stream, array, **options):
        write(stream, array, **options)
        if array.ndim == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        assert features_of(samples, SMALL).tobytes() == expected
        assert kept_files(pack) == []
    features_of(samples, SMALL)
    assert [path.suffix for path in kept_files(pack)] == [".npz"]


def test_two_processes_at_once_make_the_same_file(tmp_path):
    pack = make_pack(tmp_path / "a.npz", n=20)
    code = """
        import sys
        import hashlib
        from pathlib import Path
        from mertool.pack import load_pack
        from mertool.texture.cache import features_of
        from tests.support.texture_packs import SMALL, samples_of
        samples = samples_of(load_pack(Path(sys.argv[1])))
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(5):
            print(hashlib.sha256(features_of(samples, SMALL).tobytes()).hexdigest(), flush=True)
            for path in Path(sys.argv[1]).with_suffix(".features").glob("*.npz"):
                path.unlink(missing_ok=True)
        features_of(samples, SMALL)
    """
    words = [sys.executable, "-c", textwrap.dedent(code), str(pack.path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    samples = samples_of(pack)
    expected = hashlib.sha256(computed(samples, SMALL)).hexdigest()
    assert said == [[expected] * 5] * 2
    assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert [path.suffix for path in kept_files(pack)] == [".npz"]
