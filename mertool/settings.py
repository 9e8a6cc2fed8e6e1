"""`Settings`: one frozen record of everything that can change a result, each default with its source."""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from typing import Any

from .errors import UsageError

__all__ = ["FUSION", "GROUPS", "NETWORK", "RECIPES", "Settings", "option_name", "three_of"]

NETWORK = "network"
FUSION = "fusion"

# What a recipe fixes; every value can be overridden by its own option. "paper": Table 3 of Hata et al. (SGD 1e-3,
# batch 16, 100 epochs, ten augmented copies); the paper is silent on momentum, where 0 does not even fit the training
# set in 50 epochs (reference/methods.md 7.3), and on the schedule, which is taken as constant.
RECIPES: dict[str, dict[str, Any]] = {
    "modern": {},
    "paper": {
        "epochs": 100,
        "optimizer": "sgd",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "schedule": "constant",
        "clip_norm": 0.0,
        "copies": 10,
        "pool": "global",
        "blocks": 2,
        "dropout": 0.0,
        "fresh_copies": False,
    },
}

_CHOICES = {
    "method": (NETWORK, "lbp-top", "cbp-top", FUSION),
    "interpolation": ("tim", "linear"),
    "points": (4, 8, 16),
    "sampling": ("bilinear", "nearest"),
    "mapping": ("u2", "full"),
    "fuse_weights": ("equal", "fitted"),
    "region": ("face", "roi"),
    "frames": (1, 3),
    "pool": ("global", "region"),
    "map_kernel": (1, 3),
    "temporal_init": ("mean", "centre", "diff"),
    "recipe": tuple(RECIPES),
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "constant"),
    "protocol": ("stratified", "group", "loso", "leave-dataset-out", "file"),
    "select": ("last", "inner"),
    "device": ("cpu", "cuda", "mps"),
    "precision": ("fp32", "bf16"),
    "stem_kernel": (3, 5, 7),
    "stem_stride": (1, 2),
}

# field: (lowest, highest) value that makes sense; outside is a typing error more likely than a wish.
_RANGES: dict[str, tuple[float, float]] = {
    "tile": (8, 256),
    "face_size": (32, 1024),
    "width": (4, 256),
    "blocks": (1, 8),
    "dropout": (0.0, 0.9),
    "arc_scale": (1.0, 128.0),
    "arc_margin": (0.0, 1.0),
    "arc_ramp": (0.0, 1.0),
    "epochs": (1, 100_000),
    "batch_size": (2, 65_536),
    "lr": (1e-9, 100.0),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 10.0),
    "warmup": (0.0, 1.0),
    "clip_norm": (0.0, 1e6),
    "copies": (1, 1000),
    "length": (0, 1000),
    "threshold": (0, 255),
    "rotation_deg": (0.0, 10.0),
    "gain": (0.0, 0.9),
    "bias": (0.0, 128.0),
    "folds": (2, 100_000),
    "repeats": (1, 1000),
    "seed": (0, 2**62),
    "split_seed": (0, 2**62),
    "threads": (1, 1024),
}


# Settings that mean something for some methods only; all others hold for every method that trains.
GROUPS: dict[str, frozenset[str]] = {
    "lbp-top": frozenset({"sampling", "mapping"}),
    "cbp-top": frozenset({"threshold", "signed"}),
    "texture": frozenset(
        ("length", "interpolation", "points", "radii", "normalise", "grid", "select_features", "cost")
    ),
    "network": frozenset(
        (
            *("frames", "width", "blocks", "stem_kernel", "stem_stride", "abn", "map_kernel", "arcface", "arc_scale"),
            *("arc_margin", "arc_ramp", "pool", "dropout", "temporal_init", "recipe", "epochs", "batch_size"),
            *("optimizer", "lr", "momentum", "weight_decay", "warmup", "schedule", "clip_norm", "copies"),
            *("fresh_copies", "mirror", "rotation_deg", "gain", "bias", "select", "seed", "device", "precision"),
        )
    ),
    "fusion": frozenset({"fuse_weights"}),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can change a result, from the rendered input to the seed.

    Raises:
        UsageError: A value is outside its range or choices.
    """

    # Input
    classes: str = "basic6"  # a name of mertool.datasets.labels.CLASS_SETS or a comma-separated list
    region: str = "face"  # paper, Table 4: "face" or "roi" (3 x 5 mosaic of the fifteen regions)
    frames: int = 3  # paper, Table 4: 1 = apex, 3 = onset, middle, apex
    tile: int = 32  # side of a region's square in pixels: 0.45 x outer-eye distance is about 50 px of a 256 px crop
    face_size: int = 128  # side of the face picture in pixels
    # Network
    width: int = 16  # channels of the first stage; about 100 clips cannot feed more (methods.md 1.2, 7.2)
    blocks: int = 1  # residual blocks a stage: the ResNet-10 layout; small nets win on 250 clips (methods.md 7.2)
    stem_kernel: int = 3  # k of the 3 x k x k stem; small inputs want a small kernel (methods.md 1.2)
    stem_stride: int = 2  # with 96 x 160 inputs an attention map of 12 x 20
    abn: bool = False  # attention branch
    map_kernel: int = 3  # of the attention map's convolution: 3 in the released code, 1 in the ABN paper
    arcface: bool = False
    arc_scale: float = 10.0  # methods.md 2.4: 64 and 30 are made for thousands of classes
    arc_margin: float = 0.25  # radians, methods.md 2.4
    arc_ramp: float = 0.2  # the margin grows from 0 over this share of the epochs
    pool: str = "region"  # one cell a region keeps *where* something moved; "global" is the paper's one mean
    dropout: float = 0.3  # before the head (methods.md 7.4: 0.3..0.5)
    temporal_init: str = "mean"  # how a one-frame stem of --init becomes a three-frame one (methods.md 3)
    # Training
    recipe: str = "modern"
    epochs: int = 30  # methods.md 7.3: AdamW fits the training set in 10, best of three in 30
    batch_size: int = 16  # paper, Table 3
    optimizer: str = "adamw"
    # 2e-3 with decay 0.3 and dropout 0.3 against 1e-3, 0.05 and 0: 47 against 34 of 63 made-up test clips (26 people);
    # 30 short epochs leave AdamW at 1e-3 little time. Chosen on those clips: quote no accuracy of theirs.
    lr: float = 2e-3
    momentum: float = 0.9  # SGD only
    weight_decay: float = 0.3  # MER code goes up to 0.6 (methods.md 7.1); never on biases and normalisation
    warmup: float = 0.05  # share of all steps with a linearly growing rate
    schedule: str = "cosine"
    clip_norm: float = 1.0  # largest gradient norm; 0 = off
    copies: int = 2  # augmented copies of each training clip an epoch; keeps the default cv within ten minutes
    fresh_copies: bool = True  # new copies each epoch, or the same ones (the paper's augmentation by ten)
    balance: bool = False  # draw every class equally often: the one imbalance correction
    # Augmentation (paper 3.1 names rotation, flip and contrast, no ranges; methods.md 7.3)
    mirror: bool = True  # half of the copies
    rotation_deg: float = 10.0  # uniform in +-
    gain: float = 0.2  # contrast gain uniform in 1 +- this
    bias: float = 10.0  # grey levels, uniform in +-
    # Texture features, instead of the network (Kato et al., reference [8] of the paper; methods.md 4 and 5)
    method: str = NETWORK  # or "lbp-top", "cbp-top"; "fusion": of the runs that --fuse names
    length: int = 10  # frames a clip is interpolated to: best of 10 to 80 (methods.md 5.4); 0 = as stored
    interpolation: str = "tim"  # temporal interpolation model (methods.md 5.6), or "linear"
    points: int = 8  # P; "or 4, as good or better on magnified clips" (methods.md 5.4)
    radii: str = "1,1,2"  # R along x, y (pixels) and t (frames): 1 to 4 are usual (methods.md 5.4)
    sampling: str = "bilinear"  # between pixels, as scikit-image; LBP only
    mapping: str = "u2"  # uniform patterns one by one, all others in one bin (methods.md 5.2); LBP only
    normalise: bool = True  # each histogram divided by its sum, as Oulu's
    threshold: int = 3  # C of CBP in grey levels (methods.md 5.5)
    signed: bool = False  # CBP: x >= C instead of |x| >= C
    grid: str = "auto"  # histograms along x, y and t: 5,5,2 of the face (SAMM's, methods.md 5.4), 1,1,2 a region
    select_features: str = "auto"  # how many of highest Fisher ratio: a number, all, or chosen by inner validation
    cost: str = "auto"  # C of the linear classifier: a number, or chosen by inner validation
    fuse_weights: str = "equal"  # of the runs of a fusion; "fitted" on their inner predictions
    # Evaluation
    protocol: str = "stratified"  # the paper's; "loso" is the field's standard (reference/evaluation.md, section 1)
    folds: int = 5  # paper, section 4; under loso, leave-dataset-out and --folds-file what these give
    select: str = "last"  # or "inner": the best epoch on people kept out of the training part; never on the test part
    seed: int = 0  # of weights, copies and dropout
    split_seed: int = 0  # of the folds: runs of several seeds share them, and so compare clip by clip
    repeats: int = 1  # runs with the seeds seed, seed + 1, ...
    new_splits: bool = False  # repeats have other folds as well: split_seed, split_seed + 1, ...
    # Arithmetic: these change the last digits, so they are settings too
    threads: int = 1
    device: str = "cpu"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = type(field.default)
            if kind is float and type(value) is int:
                try:
                    object.__setattr__(self, field.name, float(value))
                except OverflowError:
                    raise UsageError(
                        f"{option_name(field.name)}: expected a number, got one of too many digits"
                    ) from None
            elif type(value) is not kind:
                raise UsageError(f"{option_name(field.name)}: expected {kind.__name__}, got {value!r}")
            choices = _CHOICES.get(field.name)
            if choices is not None and value not in choices:
                raise UsageError(
                    f"{option_name(field.name)}: expected one of {', '.join(map(str, choices))}, got {value!r}"
                )
            low, high = _RANGES.get(field.name, (None, None))
            if low is not None and high is not None and not low <= value <= high:
                raise UsageError(f"{option_name(field.name)}: expected {low:g} to {high:g}, got {value!r}")
        self._check_texture()

    def _check_texture(self) -> None:
        """Refuse texts that are no numbers, and circles that find no place."""
        rx, ry, rt = three_of("radii", self.radii, 64)
        object.__setattr__(self, "radii", f"{rx},{ry},{rt}")  # one form: equal settings are equal texts
        if self.grid != "auto":
            object.__setattr__(self, "grid", ",".join(map(str, three_of("grid", self.grid, 64))))
        if self.select_features not in ("auto", "all") and not (
            re.fullmatch(r"\d{1,9}", self.select_features, re.ASCII) and int(self.select_features)
        ):
            raise UsageError(
                f"--select-features: expected a number from 1, all or auto, got {_shown(self.select_features)}"
            )
        if self.select_features.isdigit():
            object.__setattr__(self, "select_features", str(int(self.select_features)))
        if self.cost != "auto" and not _is_cost(self.cost):
            raise UsageError(f"--cost: expected a number above 0 and up to 1e9, or auto, got {_shown(self.cost)}")
        if self.cost != "auto":
            object.__setattr__(self, "cost", str(float(self.cost)).removesuffix(".0"))
        if 0 < self.length <= 2 * rt:
            raise UsageError(
                f"--length: {self.length} frames hold no circle of radius {rt}; expected at least {2 * rt + 1}, or a "
                "smaller third number of --radii"
            )

    @classmethod
    def from_recipe(cls, recipe: str = "modern", **overrides: Any) -> Settings:
        """The settings of a recipe with `overrides`, of which those that are None do not count.

        Raises:
            UsageError: An unknown recipe or field, or a value out of range.
        """
        if recipe not in RECIPES:
            raise UsageError(f"--recipe: expected one of {', '.join(RECIPES)}, got {recipe!r}")
        given = {name: value for name, value in overrides.items() if value is not None}
        return cls.from_dict({**RECIPES[recipe], "recipe": recipe, **given})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Settings from plain values, as `dataclasses.asdict` gives them; fields left out get their default.

        Raises:
            UsageError: An unknown field (the nearest known name is offered), or a value out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else "; was it written by a newer mertool?"
                raise UsageError(f"settings: unknown name {name!r}{hint}")
        return cls(**values)

    @classmethod
    def from_file(cls, values: dict[str, Any]) -> Settings:
        """Settings as a file has them: of older ones, without `split_seed`, the folds are those of `seed`.

        Raises:
            UsageError: As `from_dict`.
        """
        return cls.from_dict({"split_seed": values["seed"], **values} if "seed" in values else values)

    def of_repeat(self, number: int) -> Settings:
        """The settings of repeat `number`, a run of its own: other weights and, with `new_splits`, other folds."""
        return dataclasses.replace(
            self,
            seed=self.seed + number,
            split_seed=self.split_seed + (number if self.new_splits else 0),
            repeats=1,
            new_splits=False,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values in the order of the fields."""
        return dataclasses.asdict(self)

    def differences(self, other: Settings) -> list[str]:
        """One text `name: mine here, theirs there` for each field in which two settings differ."""
        return [
            f"{name}: {value!r} here, {theirs!r} there"
            for (name, value), theirs in zip(self.as_dict().items(), other.as_dict().values(), strict=True)
            if value != theirs
        ]


def three_of(field: str, text: str, most: int) -> tuple[int, int, int]:
    """The numbers of `radii` or `grid`, along x, y and t, each 1 to `most`.

    Raises:
        UsageError: The text is no three such numbers.
    """
    found = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3})", text.replace(" ", ""), re.ASCII)
    numbers = tuple(map(int, found.groups())) if found else ()
    if len(numbers) != 3 or not all(1 <= number <= most for number in numbers):
        raise UsageError(f"{option_name(field)}: expected three numbers of 1 to {most} for x,y,t, got {_shown(text)}")
    return numbers


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


def _is_cost(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and 0 < float(text) <= 1e9
    except ValueError:
        return False


def option_name(field: str) -> str:
    """The command-line option that sets a field; a unit is no part of it."""
    return "--" + field.removesuffix("_deg").replace("_", "-")
