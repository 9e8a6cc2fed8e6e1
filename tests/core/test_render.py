"""`_core.render` against its float64 definition and its promises: exact mirror images, same bytes on every path."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

import mertool
from mertool import _core
from tests.core.calls import misaligned
from tests.core.renderings import CASES, GRID, TILE, digest, noise, tones, turned
from tests.support import reference
from tests.support.command import ROOT

TILES = [TILE, (20, 36)]  # narrower and wider than what the AVX-512 path takes at once
PLAIN_TONE = np.array([[1, 0]], np.float32)


def portrait():
    """(2, 3, 200, 170) uint8: the astronaut's face, in three channels as frames."""
    face = astronaut()[20:220, 140:310]
    return np.ascontiguousarray(np.stack([face, 255 - face]).transpose(0, 3, 1, 2))


def render(frames, transforms, tone, grid=GRID, tile=TILE, **options):
    """Render, and see to it that nothing that came in was written to."""
    arrays = [frames, transforms, tone]
    before = [array.copy() for array in arrays]
    out = _core.render(frames, transforms, tone, grid, tile, **options)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    return out


def identity(regions=1):
    return np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (1, regions, 1, 1))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("size", "tile", "scale", "degrees"), CASES)
def test_reference(size, tile, scale, degrees, seed):
    rng = np.random.default_rng(seed)
    frames, tone = noise(rng, 3, 2, *size), tones(rng, 3)
    transforms = turned(rng, 3, 6, size, tile, scale, degrees)
    out = render(frames, transforms, tone, tile=tile)
    assert out.dtype == np.uint8
    assert out.shape == (3, 2, 2 * tile[0], 3 * tile[1])
    np.testing.assert_array_equal(out, reference.render(frames, transforms, tone, GRID, tile))
    exact = np.clip(reference.render_exact(frames, transforms, tone, GRID, tile), 0, 255)
    gain = 1.5  # at most, see `tones`
    # Half a level is rounding, 1/252 px between black and white the columns' weights.
    assert np.abs(out - exact).max() <= 0.5 + gain * (255 / 252 + 1 / 32)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_reference_of_a_portrait(frames, tile):
    rng = np.random.default_rng(frames)
    pictures = np.repeat(portrait(), 2, axis=1)[:, :frames]
    transforms, tone = turned(rng, 2, 6, (200, 170), tile, 1.6, 10), tones(rng, 2)
    out = render(pictures, transforms, tone, tile=tile)
    np.testing.assert_array_equal(out, reference.render(pictures, transforms, tone, GRID, tile))
    exact = np.clip(reference.render_exact(pictures, transforms, tone, GRID, tile), 0, 255)
    assert np.abs(out - exact).max() < 1
    assert np.mean(out != np.rint(exact)) < 0.05
    normal = render(pictures, transforms, tone, tile=tile, dtype="float32")
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal, reference.normalise(out), atol=1e-5)
    np.testing.assert_allclose(normal.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_transforms_are_not_rounded_coarsely():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 1, 1, 300))
    step = np.float32(200.3 / 299)  # rounded to 2^-15 it would be 0.002 px off at the far end
    transforms = np.array([[[[1, 0, 0], [0, step, 0.123456]]]], np.float32)
    out = render(ramp, transforms, np.array([[1000, -199 * 1000 + 4]], np.float32), (1, 1), (300, 1))
    slope = np.flatnonzero((out[0, 0, :, 0] > 0) & (out[0, 0, :, 0] < 255))
    y = transforms[0, 0, 1, 1].astype(np.float64) * slope + transforms[0, 0, 1, 2]
    assert len(slope)
    np.testing.assert_allclose(out[0, 0, slope, 0], 1000 * (y - 199) + 4, atol=17)  # 1000 times 2^-6


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("size", [(90, 120), (60, 64), (30, 14)])
@pytest.mark.parametrize("scale", [0.8, 1.56, 3.0])
def test_mirror_image_is_exact(size, scale, tile):
    rng = np.random.default_rng(3)
    frames, tone = noise(rng, 2, 3, *size), tones(rng, 2)
    transforms = np.rint(turned(rng, 2, 6, size, tile, scale, 30).astype(np.float64) * 2**14) / 2**14
    mirrored = transforms.copy()  # column x of the mirrored tile is column w - 1 - x of the tile, mirrored in the frame
    mirrored[..., 0, 1] *= -1
    mirrored[..., 0, 2] = size[1] - 1 - transforms[..., 0, 2] - transforms[..., 0, 0] * (tile[1] - 1)
    mirrored[..., 1, 0] *= -1
    mirrored[..., 1, 2] += transforms[..., 1, 0] * (tile[1] - 1)
    mirrored = mirrored.reshape(2, *GRID, 2, 3)[:, :, ::-1].reshape(2, 6, 2, 3)
    there, back = transforms.astype(np.float32), mirrored.astype(np.float32)
    np.testing.assert_array_equal(back, mirrored)  # float32 holds them
    flipped = np.ascontiguousarray(frames[..., ::-1])
    for dtype in ("uint8", "float32"):
        np.testing.assert_array_equal(
            render(flipped, back, tone, tile=tile, dtype=dtype),
            render(frames, there, tone, tile=tile, dtype=dtype)[..., ::-1],
        )


@pytest.mark.parametrize("size", [(40, 50), (5, 4), (1, 1), (70, 16)])
def test_identity_returns_its_input(size):
    frames = noise(np.random.default_rng(0), 1, 3, *size)
    np.testing.assert_array_equal(render(frames, identity(), PLAIN_TONE, (1, 1), size), frames)


def test_regions_lie_row_by_row():
    frames = noise(np.random.default_rng(0), 1, 1, 40, 60)
    transforms = identity(6)
    transforms[0, :, 0, 2] = [0, 20, 40, 0, 20, 40]
    transforms[0, :, 1, 2] = [0, 0, 0, 20, 20, 20]
    np.testing.assert_array_equal(render(frames, transforms, PLAIN_TONE, (2, 3), (20, 20)), frames)


def test_edge_is_repeated_outside():
    frames = noise(np.random.default_rng(0), 1, 2, 30, 40)
    transforms = identity()
    transforms[0, 0, :, 2] = -25
    out = render(frames, transforms, PLAIN_TONE, (1, 1), (80, 90))
    np.testing.assert_array_equal(out, np.pad(frames, ((0, 0), (0, 0), (25, 25), (25, 25)), mode="edge"))
    transforms[0, 0, :, 2] = [29000, -29000]
    out = render(frames, transforms, PLAIN_TONE, (1, 1), (8, 8))
    np.testing.assert_array_equal(out, np.broadcast_to(frames[:, :, :1, -1:], (1, 2, 8, 8)))


LEVELS = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 1, 4, 64), (1, 1, 4, 2))  # a frame that allows every path


def toned(gain, bias):
    """What becomes of all grey levels."""
    return render(LEVELS, identity(), np.array([[gain, bias]], np.float32), (1, 1), (16, 128))


@pytest.mark.parametrize(("gain", "bias"), [(1, 300), (1, -300), (-1, 255), (2, 3), (0, 77.5), (-1e6, 0.5)])
def test_tone_is_clipped(gain, bias):
    expected = np.clip(np.floor(np.float64(gain) * LEVELS + bias + 0.5), 0, 255)
    np.testing.assert_array_equal(toned(gain, bias), expected)


@pytest.mark.parametrize("largest", [(1, 30), (2, 300), (100, 3e4), (1e6, 1e6)])
def test_tone_is_as_fine_as_said(largest):
    rng = np.random.default_rng(0)
    for gain, bias in rng.uniform(-1, 1, (300, 2)).astype(np.float32) * np.float32(largest):
        exact = np.clip(float(gain) * LEVELS + float(bias), 0, 255)
        assert np.abs(toned(gain, bias) - exact).max() <= 0.5 + max(1, abs(gain)) / 32


def test_weights_of_columns_are_mirrored_at_every_fraction():
    frame = np.tile(np.array([0, 252], np.uint8), (1, 1, 64, 32))
    transforms = np.repeat(identity(), 2**15, axis=0)
    transforms[:, 0, 0, 2] = np.arange(2**15) / 2**15
    tone, clips = np.repeat(PLAIN_TONE, 2**15, axis=0), np.zeros(2**15, np.int64)
    for tile in ((1, 1), (1, 32)):
        out = render(frame, transforms, tone, (1, 1), tile, clips=clips)[:, 0, 0, 0].astype(int)
        np.testing.assert_array_equal(out[1:] + out[:0:-1], 252)
        np.testing.assert_array_equal(out, 2 * np.rint(126 * np.arange(2**15) / 2**15))


def test_flat_clip_is_zero():
    out = render(np.full((1, 3, 20, 30), 77, np.uint8), identity(), PLAIN_TONE, (1, 1), (8, 8), dtype="float32")
    np.testing.assert_array_equal(out, np.zeros((1, 3, 8, 8), np.float32))


def test_deviation_counts_at_least_one_level():
    frames = np.full((1, 1, 4, 4), 100, np.uint8)
    frames[..., 2:] = 101
    out = render(frames, identity(), PLAIN_TONE, (1, 1), (4, 4), dtype="float32")
    np.testing.assert_array_equal(out, np.where(frames == 101, np.float32(0.5), np.float32(-0.5)))


def test_one_mean_and_deviation_for_all_frames():
    frames = np.zeros((1, 2, 8, 8), np.uint8)
    frames[:, 1] = 100
    out = render(frames, identity(), PLAIN_TONE, (1, 1), (8, 8), dtype="float32")
    np.testing.assert_array_equal(out, np.where(frames > 0, np.float32(1), np.float32(-1)))


def arguments(seed=0, n=5):
    rng = np.random.default_rng(seed)
    return noise(rng, n, 3, 90, 120), turned(rng, n, 6, (90, 120), TILE, 1.5, 10), tones(rng, n)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_threads_do_not_show(dtype):
    frames, transforms, tone = arguments()
    one = render(frames, transforms, tone, dtype=dtype)
    for threads in (2, 3, 4, 50):
        np.testing.assert_array_equal(render(frames, transforms, tone, dtype=dtype, threads=threads), one)


def test_clips_choose_rows():
    frames, transforms, tone = arguments()
    clips = np.array([4, 0, 0, 3, 1, 2, 4])
    many = transforms[[0, 1, 2, 3, 4, 0, 1]], tone[[0, 1, 2, 3, 4, 0, 1]]
    expected = render(frames[clips], *many)
    np.testing.assert_array_equal(render(frames, *many, clips=clips), expected)
    np.testing.assert_array_equal(render(frames, *many, clips=np.repeat(clips, 2)[::2]), expected)
    np.testing.assert_array_equal(expected, reference_like(frames, *many, clips))


def reference_like(frames, transforms, tone, clips):
    """One clip at a time."""
    parts = [render(frames[c : c + 1], transforms[i : i + 1], tone[i : i + 1]) for i, c in enumerate(clips)]
    return np.concatenate(parts)


def test_no_clips_give_an_empty_result():
    frames, transforms, tone = arguments()
    for dtype in ("uint8", "float32"):
        out = render(frames, transforms[:0], tone[:0], clips=np.zeros(0, np.int64), dtype=dtype, threads=3)
        assert out.shape == (0, 3, 40, 84)
        assert out.dtype == dtype
        assert render(frames[:0], transforms[:0], tone[:0], dtype=dtype).shape == (0, 3, 40, 84)


def test_strided_and_read_only_arrays(tmp_path):
    frames, transforms, tone = arguments()
    expected = render(frames, transforms, tone)
    wide = np.zeros((10, 6, 180, 200), np.uint8)
    views = [
        wide[::2, ::2, :90, 7:127],
        wide[::2, 1::2, ::2, :120],
        wide[::-2, ::-2, ::-2, :120],
        np.zeros((90, 3, 5, 120), np.uint8).transpose(2, 1, 0, 3),
    ]
    for view in views:
        view[:] = frames
        view.flags.writeable = False
        np.testing.assert_array_equal(render(view, transforms, tone), expected)
    np.testing.assert_array_equal(render(frames[:, 1:2], transforms, tone), expected[:, 1:2])
    strided = np.repeat(transforms, 2, axis=0)[::2], np.asfortranarray(tone)
    for array in strided:
        array.flags.writeable = False
    np.testing.assert_array_equal(render(frames, *strided), expected)
    np.save(tmp_path / "frames.npy", frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    np.testing.assert_array_equal(render(mapped, transforms, tone, threads=2), expected)


def test_concurrent_calls():
    jobs = [arguments(seed) for seed in range(8)]
    expected = [render(*job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for out, right in zip(pool.map(lambda job: render(*job, threads=2), jobs), expected, strict=True):
                np.testing.assert_array_equal(out, right)


@pytest.mark.skipif(sys.platform != "linux", reason="protects memory pages with Linux's mprotect")
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("size", [(32, 64), (60, 68), (64, 16), (2, 48), (3, 17), (5, 3)])
def test_reads_nothing_beyond_the_frames(size, tile):
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    whole = np.frombuffer(memory, np.uint8)
    rng = np.random.default_rng(0)
    whole[:] = noise(rng, 3 * page)
    count, no_access = size[0] * size[1], 0
    for first in (page, 2 * page - count):  # flush with the page before, and with the page after
        frames = whole[first : first + count].reshape(1, 1, *size)
        transforms = np.concatenate(
            [turned(rng, 1, 6, size, tile, scale, degrees) for scale in (0.5, 1.5, 3) for degrees in (0, 8, 90)]
        )
        tone, clips = tones(rng, 9), np.zeros(9, np.int64)
        expected = render(frames.copy(), transforms, tone, tile=tile, clips=clips)
        for guard in (0, 2):
            assert protect(start + guard * page, page, no_access) == 0
        try:
            out = _core.render(frames, transforms, tone, GRID, tile, clips=clips)  # a wrong read ends the process
        finally:
            for guard in (0, 2):
                protect(start + guard * page, page, mmap.PROT_READ | mmap.PROT_WRITE)
        np.testing.assert_array_equal(out, expected)


def run_with_simd(name, cwd, function="digest"):
    """What a function of tests/core/renderings.py gives in a process of its own, or the error's last line."""
    package = Path(mertool.__file__).parents[1]
    environment = {**os.environ, "MERTOOL_SIMD": name, "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)])}
    code = f"from tests.core.renderings import {function}; print({function}())"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True)
    return (done.stdout or done.stderr.strip().splitlines()[-1]).strip()


@pytest.fixture(scope="module")
def plain_digest(tmp_path_factory):
    plain = run_with_simd("plain", tmp_path_factory.mktemp("plain"))
    assert plain.startswith("plain ")
    return plain


def test_instructions_do_not_show(plain_digest, tmp_path):
    assert plain_digest.split()[1] == digest().split()[1]
    assert run_with_simd("", tmp_path).split()[1] == plain_digest.split()[1]


@pytest.mark.parametrize("name", ["avx2", "avx512"])
def test_named_instructions_do_not_show(plain_digest, tmp_path, name):
    fast = run_with_simd(name, tmp_path)
    if f"this machine or build has no {name}" in fast:
        pytest.skip(f"no {name} here")
    assert fast == plain_digest.replace("plain", name)


def test_unknown_instructions(tmp_path):
    assert run_with_simd("sse9", tmp_path) == "ValueError: MERTOOL_SIMD: expected plain, avx2 or avx512, got 'sse9'"


@pytest.mark.parametrize("name", ["", "plain", "avx2", "avx512"])
def test_many_random_jobs_equal_the_plain_path(tmp_path, name):
    """Tiles inside, across and outside frames of awkward sizes, with the path named, against plain C++."""
    paths = [run_with_simd(path, tmp_path, "random_digest") for path in ("plain", name)]
    if "this machine or build has no" in paths[1]:
        pytest.skip(paths[1])
    assert paths[0].split()[1] == paths[1].split()[1]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shift", [0, 4, 12])
def test_out_is_filled_and_returned(dtype, shift):
    frames, transforms, tone = arguments()
    expected = render(frames, transforms, tone, dtype=dtype)
    count = expected.size
    memory = np.zeros(count + 64, dtype)  # begins at 16, 32 or 64 bytes, whatever the system likes
    out = memory[shift : shift + count].reshape(expected.shape)
    assert render(frames, transforms, tone, dtype=dtype, out=out, threads=2) is out
    np.testing.assert_array_equal(out, expected)
    assert not memory[:shift].any()
    assert not memory[shift + count :].any()


def test_out_may_be_a_torch_tensor_of_any_kind_of_memory():
    torch = pytest.importorskip("torch")
    frames, transforms, tone = arguments()
    expected = render(frames, transforms, tone, dtype="float32")
    tensor = torch.empty(expected.shape)
    render(frames, transforms, tone, dtype="float32", out=tensor.numpy())
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_large_float_results_written_around_the_cache():
    frames, _, _ = arguments()
    clips = np.arange(200) % 5
    transforms = np.repeat(identity(), 200, axis=0)
    transforms[:, 0, :, 2] = np.arange(400).reshape(200, 2) % 7
    job = (frames, transforms, np.repeat(PLAIN_TONE, 200, axis=0), (1, 1), (90, 157))
    expected = _core.render(*job, clips=clips, dtype="float32")
    assert expected.size > 2**23
    for shift in (0, 1, 3):
        memory = np.zeros(expected.size + 8, np.float32)
        out = memory[shift : shift + expected.size].reshape(expected.shape)
        _core.render(*job, clips=clips, dtype="float32", out=out, threads=2)
        np.testing.assert_array_equal(out, expected)
        assert not memory[:shift].any()
        assert not memory[shift + expected.size :].any()


def test_empty_out():
    frames, transforms, tone = arguments()
    out = np.empty((0, 3, 40, 84), np.uint8)
    assert render(frames, transforms[:0], tone[:0], clips=np.zeros(0, np.int64), out=out) is out


def read_only(array):
    array.flags.writeable = False
    return array


SHAPE = (5, 3, 40, 84)


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ([1], {}, r"render: out must be (5, 3, 40, 84) uint8, got list"),
        (np.zeros(SHAPE, np.float32), {}, r"render: out must be (5, 3, 40, 84) uint8, got (5, 3, 40, 84) float32"),
        (
            np.zeros(SHAPE, ">f4"),
            {"dtype": "float32"},
            r"render: out must be (5, 3, 40, 84) float32, got (5, 3, 40, 84) >f4",
        ),
        (np.zeros((5, 3, 84, 40), np.uint8), {}, r"render: out must be (5, 3, 40, 84) uint8, got (5, 3, 84, 40) uint8"),
        (np.zeros(SHAPE[1:], np.uint8), {}, r"render: out must be (5, 3, 40, 84) uint8, got (3, 40, 84) uint8"),
        (np.zeros((5, 3, 40, 85), np.uint8)[..., 1:], {}, "render: out must be C-contiguous"),
        (np.zeros(SHAPE, np.uint8)[::-1], {}, "render: out must be C-contiguous"),
        (misaligned(np.zeros(SHAPE, np.float32)), {"dtype": "float32"}, "render: out must be aligned in memory"),
        (read_only(np.zeros(SHAPE, np.uint8)), {}, "render: out must be writeable"),
    ],
)
def test_unfit_out(out, options, message):
    frames, transforms, tone = arguments()
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        render(frames, transforms, tone, out=out, **options)


def test_out_apart_from_what_is_read():
    message = "^render: out must not share memory with what is rendered from$"
    memory = np.zeros(220_000, np.uint8)
    frames = memory[:162_000].reshape(5, 3, 90, 120)
    _, transforms, tone = arguments()
    count = int(np.prod(SHAPE))
    job = (transforms, tone, GRID, TILE)
    for first in (0, 1, 162_000 - count, 161_999):
        with pytest.raises(ValueError, match=message):
            _core.render(frames, *job, out=memory[first : first + count].reshape(SHAPE))
    _core.render(frames, *job, out=memory[162_000 : 162_000 + count].reshape(SHAPE))
    for view in (frames[:, ::-1], frames[::-1, :, ::-1]):
        with pytest.raises(ValueError, match=message):
            _core.render(view, *job, out=memory[:count].reshape(SHAPE))
    numbers = np.zeros(count, np.float32)
    numbers[:180] = transforms.ravel()
    with pytest.raises(ValueError, match=message):
        out = numbers.reshape(SHAPE)
        _core.render(frames, numbers[:180].reshape(5, 6, 2, 3), tone, GRID, TILE, dtype="float32", out=out)
