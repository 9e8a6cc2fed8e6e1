"""`Settings`: one frozen record of everything that can change a result.

Each field is declared once, by `setting`: default, choices (its `Literal` type) or range, help, the methods it means
something for, and in a comment the source of the default. Options, refusals, cache keys, names of runs, what a report
says and the command that makes a run again are derived from that.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .declarations import Setting, option_name, setting
from .errors import UsageError
from .recipes import RECIPES

__all__ = [
    "FUSION",
    "NETWORK",
    "Settings",
    "choices_of",
    "fields_of",
    "parse_xyt",
    "settings_table",
]

NETWORK = "network"
FUSION = "fusion"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can change a result, from the rendered input to the seed.

    Raises:
        UsageError: A value is outside its range or choices.
    """

    # Input
    classes: str = setting(
        "basic6",
        "Class set by name (basic6, casme5, smic3, megc3, all, ...) or a list: anger,happiness.",
        "Input",
        "",
        usual="the data set's own, e.g. basic6 for SAMM; all for a manifest",
    )
    # Paper, Table 4: the face, or the 3 x 5 mosaic of the fifteen regions.
    region: Literal["face", "roi"] = setting("face", "Face or region mosaic.", "Input")
    # Paper, Table 4: 1 = apex, 3 = onset, middle, apex.
    frames: Literal[1, 3] = setting(3, "1: apex; 3: onset, middle and apex.", "Input", "network")
    # Movement instead of appearance is the largest single gain of the field (docs/methods.md, section 8).
    input: Literal["gray", "diff", "flow", "flow+strain", "gray+flow"] = setting(
        "gray",
        "What the network sees: grey levels (gray), or what has changed (diff) or moved (flow) since the onset.",
        "Input",
        "network",
    )
    # 0.45 x outer-eye distance is about 50 px of a 256 px crop.
    tile: int = setting(32, "Side of a region in pixels.", "Input", low=8, high=256)
    face_size: int = setting(128, "Side of the face in pixels.", "Input", low=32, high=1024)

    # Network
    # About 100 clips cannot feed more (docs/methods.md, sections 1.2 and 7.2).
    width: int = setting(16, "Channels of the first stage.", "Network", "network", low=4, high=256)
    # The ResNet-10 layout; small nets win on 250 clips (docs/methods.md, section 7.2).
    blocks: int = setting(1, "Residual blocks per stage.", "Network", "network", low=1, high=8)
    # k of the 3 x k x k stem; small inputs want a small kernel (docs/methods.md, section 1.2).
    stem_kernel: Literal[3, 5, 7] = setting(3, "Kernel of the first convolution.", "Network", "network")
    # With 96 x 160 inputs an attention map of 12 x 20.
    stem_stride: Literal[1, 2] = setting(2, "Stride of the first convolution.", "Network", "network")
    abn: bool = setting(False, "Attention branch (ABN).", "Network", "network", tag="abn")
    # 3 in the released code, 1 in the ABN paper.
    map_kernel: Literal[1, 3] = setting(3, "Kernel of the attention map.", "Network", "network")
    arcface: bool = setting(False, "ArcFace loss.", "Network", "network", tag="arcface")
    # docs/methods.md, section 2.4: 64 and 30 are made for thousands of classes.
    arc_scale: float = setting(10.0, "Scale s of ArcFace.", "Network", "network", low=1.0, high=128.0)
    # docs/methods.md, section 2.4.
    arc_margin: float = setting(0.25, "Margin m of ArcFace in radians.", "Network", "network", low=0.0, high=1.0)
    arc_ramp: float = setting(
        0.2, "Fraction of the epochs in which the margin grows from 0.", "Network", "network", low=0.0, high=1.0
    )
    # One cell per region keeps *where* something moved; "global" is the paper's one mean.
    pool: Literal["global", "region"] = setting("region", "Pooling before the head.", "Network", "network")
    # docs/methods.md, section 7.4: 0.3 to 0.5.
    dropout: float = setting(0.3, "Dropout before the head.", "Network", "network", low=0.0, high=0.9)
    # docs/methods.md, section 3.3.
    temporal_init: Literal["mean", "centre", "diff"] = setting(
        "mean", "How a one-frame stem of --init becomes one for three frames.", "Network", "network"
    )

    # Training
    recipe: Literal["modern", "paper"] = setting(
        "modern", "Training recipe; single options override it.", "Training", "network"
    )
    # AdamW fits the training set in 10, best of three in 30 (docs/methods.md, section 7.3).
    epochs: int = setting(30, "Epochs; the last one counts.", "Training", "network", low=1, high=100_000)
    # Paper, Table 3.
    batch_size: int = setting(16, "Clips per step.", "Training", "network", low=2, high=65_536)
    optimizer: Literal["adamw", "sgd"] = setting("adamw", "Optimiser.", "Training", "network")
    # 2e-3 with decay 0.3 and dropout 0.3 against 1e-3, 0.05 and 0: 47 against 34 of 63 made-up test clips (26
    # subjects); 30 short epochs leave AdamW at 1e-3 little time. Chosen on those clips: quote no accuracy of theirs.
    lr: float = setting(2e-3, "Learning rate.", "Training", "network", low=1e-9, high=100.0)
    momentum: float = setting(0.9, "Momentum of SGD.", "Training", "network", low=0.0, high=0.9999)
    # MER code goes up to 0.6 (docs/methods.md, section 7.1); never on biases and normalisation.
    weight_decay: float = setting(0.3, "Weight decay.", "Training", "network", low=0.0, high=10.0)
    warmup: float = setting(
        0.05, "Fraction of training spent on linear warm-up.", "Training", "network", low=0.0, high=1.0
    )
    schedule: Literal["cosine", "constant"] = setting("cosine", "Learning-rate schedule.", "Training", "network")
    max_grad_norm: float = setting(
        1.0, "Clip the gradient to this norm; 0 turns clipping off.", "Training", "network", low=0.0, high=1e6
    )
    # Two keep the default cv within ten minutes.
    augmentations: int = setting(
        2, "Augmented copies of each training clip per epoch.", "Augmentation", "network", low=1, high=1000
    )
    # Fixed ones are the paper's augmentation by ten.
    fresh_augmentations: bool = setting(True, "New copies in each epoch.", "Augmentation", "network")
    # The one correction of imbalance.
    balanced_sampling: bool = setting(
        False, "Draw every class equally often, against imbalance.", "Training", tag="balanced"
    )

    # Augmentation (paper 3.1 names rotation, flip and contrast, no ranges; docs/methods.md, section 7.3)
    hflip: bool = setting(True, "Mirror half of the copies.", "Augmentation", "network")
    rotation_deg: float = setting(
        10.0, "Turn copies by up to this many degrees.", "Augmentation", "network", low=0.0, high=10.0
    )
    contrast: float = setting(
        0.2, "Change the contrast of copies by up to this fraction.", "Augmentation", "network", low=0.0, high=0.9
    )
    brightness: float = setting(
        10.0,
        "Change the brightness of copies by up to this many grey levels.",
        "Augmentation",
        "network",
        low=0.0,
        high=128.0,
    )

    # Texture features, instead of the network (Kato et al., reference [8] of the paper; docs/methods.md, 4.1 and 5)
    method: str = setting(
        NETWORK, "The network, or texture features with a linear classifier.", "Input", "", cv_only=True
    )
    # Best of 10 to 80 (docs/methods.md, section 5.4).
    length: int = setting(
        10,
        "Frames that a clip is interpolated to; 0 for those of the pack's sequence.",
        "Texture features",
        "texture",
        low=0,
        high=1000,
    )
    # docs/methods.md, section 5.6.
    interpolation: Literal["tim", "linear"] = setting(
        "tim", "By the temporal interpolation model (tim), or linear.", "Texture features", "texture"
    )
    # 4 is as good or better on magnified clips (docs/methods.md, section 5.4).
    points: Literal[4, 8, 16] = setting(8, "P, points of a circle.", "Texture features", "texture")
    # 1 to 4 are usual (docs/methods.md, section 5.4).
    radii: str = setting(
        "1,1,2", "R along x, y (pixels) and t (frames).", "Texture features", "texture", metavar="X,Y,T"
    )
    # Between pixels as scikit-image.
    sampling: Literal["bilinear", "nearest"] = setting(
        "bilinear", "LBP: between pixels, or the nearest one.", "Texture features", "lbp-top"
    )
    # docs/methods.md, section 5.2.
    mapping: Literal["u2", "full"] = setting(
        "u2", "LBP: one bin per uniform pattern and one for the rest, or all.", "Texture features", "lbp-top"
    )
    # As Oulu's.
    normalise: bool = setting(True, "Divide each histogram by its sum.", "Texture features", "texture")
    # docs/methods.md, section 5.5.
    threshold: int = setting(
        3, "CBP: C, the grey levels that make a difference.", "Texture features", "cbp-top", low=0, high=255
    )
    signed: bool = setting(False, "CBP: compare differences with their sign.", "Texture features", "cbp-top")
    # 5,5,2 of the face is SAMM's (docs/methods.md, section 5.4).
    grid: str = setting(
        "auto",
        "Histograms along x, y and t of the face or of each region; auto: 5,5,2 and 1,1,2.",
        "Texture features",
        "texture",
        metavar="X,Y,T",
    )
    n_features: str = setting(
        "auto",
        "Features of highest Fisher ratio: a number, all, or auto (inner validation chooses).",
        "Texture features",
        "classifier",
    )
    cost: str = setting(
        "auto",
        "C of the linear classifier: a number, or auto (inner validation chooses).",
        "Texture features",
        "classifier",
    )
    fuse_weights: Literal["equal", "fitted"] = setting(
        "equal", "Weights of the runs: equal, or fitted on their inner predictions.", "Fusion", "fusion"
    )

    # Evaluation
    # "stratified" is the paper's; "loso" is the field's standard (docs/evaluation.md, section 1).
    protocol: Literal["stratified", "group", "loso", "leave-dataset-out", "file"] = setting(
        "stratified",
        "stratified: subjects may be on both sides (the paper's). group: whole subjects. loso: leave one subject out.",
        "Protocol",
        "",
        cv_only=True,
        own_choices=("file",),  # --folds-file
    )
    # Paper, section 4; under loso, leave-dataset-out and --folds-file what these give.
    folds: int = setting(5, "Number of folds.", "Protocol", "", low=2, high=100_000, cv_only=True)
    epoch_selection: Literal["last", "inner"] = setting(
        "last",
        "Which epoch counts: the last, or the best on subjects kept out of the training part (inner).",
        "Protocol",
        "network",
    )
    seed: int = setting(0, "Seed of weights and copies.", "Protocol", "network", low=0, high=2**62)
    # Runs of several seeds share the folds, and so compare clip by clip.
    split_seed: int = setting(
        0, "Seed of the folds; runs with another --seed share them.", "Protocol", "", low=0, high=2**62, cv_only=True
    )
    repeats: int = setting(
        1,
        "Runs with the seeds --seed, --seed + 1, ..., to show the spread due to chance alone.",
        "Protocol",
        low=1,
        high=1000,
        cv_only=True,
    )
    new_splits: bool = setting(False, "Repeats have other folds as well.", "Protocol", cv_only=True)

    # Arithmetic: these change the last digits, so they are settings too
    threads: int = setting(
        1, "Threads per training process; other numbers change the last digits.", "Running", low=1, high=1024
    )
    device: Literal["cpu", "cuda", "mps"] = setting("cpu", "Where to compute.", "Running", "network", auto=True)
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "Floating-point precision of the layers.", "Running", "network", auto=True
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check(field.name, type(field.default))
        self._check_texture()

    def _check(self, name: str, kind: type) -> None:
        """Refuse a value of another type or out of range; a whole number where any is expected becomes a float."""
        value, option, declared = getattr(self, name), option_name(name), settings_table()[name]
        if kind is float and type(value) is int:
            try:
                object.__setattr__(self, name, float(value))
            except OverflowError:
                raise UsageError(f"{option}: expected a number, got one of too many digits") from None
        elif type(value) is not kind:
            raise UsageError(f"{option}: expected {kind.__name__}, got {value!r}")
        choices = choices_of(name)
        if choices and value not in choices:
            raise UsageError(f"{option}: expected one of {', '.join(map(str, choices))}, got {value!r}")
        if not declared.allows(value):
            raise UsageError(f"{option}: expected {declared.range_text}, got {value!r}")

    def _check_texture(self) -> None:
        """Check that the texts of the texture fields are numbers, and that the circles fit into the clip."""
        rx, ry, rt = parse_xyt("radii", self.radii, 64)
        object.__setattr__(self, "radii", f"{rx},{ry},{rt}")  # one form: equal settings are equal texts
        if self.grid != "auto":
            object.__setattr__(self, "grid", ",".join(map(str, parse_xyt("grid", self.grid, 64))))
        if self.n_features not in ("auto", "all") and not (
            re.fullmatch(r"\d{1,9}", self.n_features, re.ASCII) and int(self.n_features)
        ):
            raise UsageError(f"--n-features: expected a number from 1, all or auto, got {_shown(self.n_features)}")
        if self.n_features.isdigit():
            object.__setattr__(self, "n_features", str(int(self.n_features)))
        if self.cost != "auto" and not _is_cost(self.cost):
            raise UsageError(f"--cost: expected a number above 0 and up to 1e9, or auto, got {_shown(self.cost)}")
        if self.cost != "auto":
            object.__setattr__(self, "cost", str(float(self.cost)).removesuffix(".0"))
        if 0 < self.length <= 2 * rt:
            raise UsageError(
                f"--length: {self.length} frames are too few for a radius of {rt} in time; expected at least "
                f"{2 * rt + 1}, or a smaller third number of --radii"
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

    @property
    def channels(self) -> int:
        """C, how many channels the network's input has."""
        further = max(1, self.frames - 1)  # frames that are compared with the onset
        of_each = {"gray": 0, "diff": 1, "flow": 2, "flow+strain": 3, "gray+flow": 2}[self.input]
        return self.frames * ("gray" in self.input) + further * of_each

    def for_repeat(self, number: int) -> Settings:
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


@cache
def settings_table() -> dict[str, Setting]:
    """What each field of `Settings` was declared with, by name."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(Settings)}


@cache
def _literals() -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(Settings)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def choices_of(field: str) -> tuple[Any, ...]:
    """The values that a field may have; empty for one of any text or number."""
    return _literals().get(field, ())


def fields_of(group: str) -> frozenset[str]:
    """The fields that are declared with this group, see `mertool.declarations.Group`."""
    return frozenset(name for name, declared in settings_table().items() if declared.group == group)


def parse_xyt(field: str, text: str, most: int) -> tuple[int, int, int]:
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
