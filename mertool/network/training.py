"""Training and prediction as plain functions: `fit` one network, `predict` with it.

Bit-exactness on the CPU needs the same number of threads (`torch.set_num_threads`, the caller's), the same kind of
processor and the same torch; nothing here depends on the clock, the global random state or other processes. `fit`
never sees a test clip: it is given training batches only.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..errors import DataError, UsageError
from ..settings import Settings
from .checkpoint import Checkpoint, load_weights, restore, save_checkpoint
from .losses import branch_losses, probabilities
from .model import CosineHead, Network, build_model
from .training_files import TrainingFiles

__all__ = [
    "FitResult",
    "ValidationScores",
    "arc_margin",
    "choose_device",
    "fit",
    "learning_rate",
    "make_optimizer",
    "predict",
]

_PREDICT_BATCH = 16  # one size always: arithmetic libraries choose their kernels, and so the last digits, by size


class ValidationScores(NamedTuple):
    """How a network does on clips kept out of its training: mean cross-entropy, and UF1 (0..1)."""

    loss: float
    uf1: float


class FitResult(NamedTuple):
    """A trained network in evaluation mode, and the epoch (from 1) whose weights it has."""

    model: Network
    epoch: int


def fit(
    settings: Settings,
    classes: tuple[str, ...],
    batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
    steps_per_epoch: int,
    files: TrainingFiles,
    initial: dict[str, Tensor] | None = None,
    seen: Sequence[str] = (),
    validate: Callable[[Network], ValidationScores] | None = None,
) -> FitResult:
    """Train one network, continuing where a killed call with the same files stopped.

    After every epoch `files.last` (all that continuing needs) and `files.log` (`LOG_COLUMNS`, one row per epoch, over
    training copies only) are replaced atomically; at the end `files.final` is written. If that exists, it is returned
    at once. A run that was killed and continued, any number of times, ends with exactly the weights of an
    undisturbed one. The global random state of torch is used and left seeded.

    Args:
        settings: All of its network, training and arithmetic fields and `seed`.
        classes: Emotion of each output, in order; K of them.
        batches: epoch (1 .. settings.epochs) -> `steps_per_epoch` pairs of (B, T, H, W) float32 inputs and (B,) int64
            labels in 0..K-1, on the CPU, B at least 2; the same at every call.
        steps_per_epoch: At least 1.
        files: Of this training alone; their folder exists.
        initial: Complete weights to start from (a `state_dict` of the same network, e.g. after
            `mertool.network.checkpoint.transfer`) instead of fresh ones; ignored when continuing from `files.last`.
        seen: Ids of all clips that the weights will have seen, those of `initial` included; kept in the checkpoints.
        validate: Called after every epoch; the epoch with the highest UF1 then counts, of equals the one with the
            lowest loss (a dozen clips tie often), of these the first. None: the last epoch counts.

    Returns:
        The trained network on `settings.device`, and its epoch.

    Raises:
        DataError: The loss is no longer finite; a batch holds one clip; `last.pt` or `final.pt` is damaged or belongs
            to other settings or classes.
        FileError: A file cannot be written.
        UsageError: There is no such device here.
    """
    device = torch.device(choose_device(settings.device))
    if files.final.exists():
        final = _load_own(files.final, settings, classes)
        return FitResult(_to_device(restore(final), device), final.epoch)
    with _arithmetic():
        model = build_model(settings, len(classes), settings.seed)
        if initial is not None:
            model.load_state_dict(initial)
        _to_device(model, device)
        optimizer = make_optimizer(model, settings)
        rows, best = _resume(files, model, optimizer, settings, classes, validate is not None)
        for epoch in range(len(rows) + 1, settings.epochs + 1):
            rows.append(_train_epoch(model, optimizer, batches(epoch), settings, epoch, steps_per_epoch))
            state: dict[str, Any] = {"optimizer": optimizer.state_dict(), "log": rows}
            if validate is not None:
                _check_finite(model, settings)
                scores = validate(model)
                rows[-1] |= {"loss_validation": scores.loss, "uf1_validation": scores.uf1}
                if _chosen_epoch(rows) == epoch:
                    best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
                state["best"] = best
            save_checkpoint(files.last, settings, classes, model.state_dict(), state, seen)
            files.write_log(rows)
        if validate is not None:
            model.load_state_dict(best)
        _check_finite(model, settings)
        chosen = settings.epochs if validate is None else _chosen_epoch(rows)
        save_checkpoint(files.final, settings, classes, model.state_dict(), {"epoch": chosen}, seen)
    return FitResult(model.eval(), chosen)


def _check_finite(model: Network, settings: Settings) -> None:
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise DataError(f"the last step left weights that are no numbers; lower --lr (now {settings.lr:g})")


def _chosen_epoch(rows: Sequence[dict[str, float]]) -> int:
    """The epoch, from 1, with the highest UF1, of equals the lowest loss, of these the first."""
    best = max(range(len(rows)), key=lambda k: (rows[k]["uf1_validation"], -rows[k]["loss_validation"], -k))
    return best + 1


def predict(
    model: Network, batches: Iterable[Tensor], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Class probabilities of the perception branch, and attention maps.

    Every clip is computed in a batch of one fixed size, filled up with zeros, so that neither the caller's batches nor
    the other clips matter.

    Args:
        model: A trained network on any device; it is put into evaluation mode.
        batches: (B, T, H, W) float32 inputs, any B, all of one height and width.
        settings: `arcface`, `arc_scale` and `precision` of the network.

    Returns:
        probabilities: (N, K) float64 in the order of the inputs; every row sums to 1.
        maps: (N, h, w) float32 in 0..1, or None without an attention branch.

    Raises:
        ValueError: `batches` is empty.
    """
    device = next(model.parameters()).device
    model.eval()
    rows: list[NDArray[np.float64]] = []
    maps: list[NDArray[np.float32]] = []
    with _arithmetic(), torch.inference_mode():
        for batch in batches:
            for start in range(0, len(batch), _PREDICT_BATCH):
                part = batch[start : start + _PREDICT_BATCH]  # (n, T, H, W)
                n = len(part)
                filled = functional.pad(part, (0, 0, 0, 0, 0, 0, 0, _PREDICT_BATCH - n))  # (16, T, H, W)
                with _autocast(settings, device):
                    output = model(_inputs(filled, device))
                rows.append(probabilities(output, settings)[:n].numpy())  # (n, K)
                if output.map is not None:
                    maps.append(output.map[:n, 0].cpu().numpy())  # (n, h, w)
    return np.concatenate(rows), np.concatenate(maps) if maps else None


def learning_rate(settings: Settings, step: int, total_steps: int) -> float:
    """Learning rate of a step (0 .. total_steps - 1): linear warm-up, then constant or half a cosine towards 0."""
    n_warm = round(settings.warmup * total_steps)
    if step < n_warm:
        return settings.lr * (step + 1) / n_warm
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * 0.5 * (1.0 + math.cos(math.pi * (step - n_warm) / (total_steps - n_warm)))


def arc_margin(settings: Settings, step: int, total_steps: int) -> float:
    """ArcFace margin of a step in radians: from 0 linearly to `arc_margin` over the first `arc_ramp` of all steps."""
    n_ramp = settings.arc_ramp * total_steps
    return settings.arc_margin * (min(1.0, step / n_ramp) if n_ramp > 0 else 1.0)


def make_optimizer(model: Network, settings: Settings) -> torch.optim.Optimizer:
    """AdamW or SGD; weight decay on the weights of convolutions and of a linear head only.

    Biases and normalisation have no use for it, and an ArcFace direction has no length to decay.
    """
    free = {id(module.weight) for module in model.modules() if isinstance(module, CosineHead)}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1 and id(p) not in free]},
        {"params": [p for p in model.parameters() if p.ndim <= 1 or id(p) in free], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    # Fused: one pass over the memory of each tensor, about 10 ms a step less on a CPU.
    fused = settings.device != "mps"
    return torch.optim.AdamW(groups, settings.lr, weight_decay=settings.weight_decay, fused=fused)


def choose_device(wanted: str) -> str:
    """The device for `wanted`: "cpu", "cuda", "mps", or "auto" for an accelerator where there is one.

    Raises:
        UsageError: This machine, or this build of torch, has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if not there[wanted]:
        raise UsageError(f"--device {wanted}: torch finds no such device here; use --device cpu")
    return wanted


def _train_epoch(
    model: Network,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    settings: Settings,
    epoch: int,
    steps_per_epoch: int,
) -> dict[str, float]:
    """One pass over the training batches; a row of the log."""
    device = next(model.parameters()).device
    total_steps = settings.epochs * steps_per_epoch
    step = (epoch - 1) * steps_per_epoch
    # Dropout's random numbers depend on seed and epoch only, so that going on after a kill needs no random state.
    torch.manual_seed((settings.seed * 1_000_003 + epoch) % 2**63)
    model.train()
    sums = dict.fromkeys(("loss", "loss_perception", "loss_attention", "accuracy", "accuracy_attention"), 0.0)
    n_images, lr, started = 0, 0.0, time.perf_counter()
    for x, y in batches:
        if len(y) < 2:
            raise DataError(
                f"epoch {epoch}, step {step + 1}: a batch of one clip cannot be normalised; choose another --batch-size"
            )
        lr = learning_rate(settings, step, total_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        labels = y.to(device)
        with _autocast(settings, device):
            output = model(_inputs(x, device))
        losses = branch_losses(output, labels, settings, arc_margin(settings, step, total_steps))
        loss = losses.total.item()
        if not math.isfinite(loss):
            raise DataError(
                f"epoch {epoch}, step {step + 1}: the loss is {loss}, expected a finite number; lower --lr "
                f"(now {settings.lr:g})"
            )
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        if settings.max_grad_norm > 0:
            nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        step += 1
        n_images += len(y)
        sums["loss"] += loss * len(y)
        sums["loss_perception"] += losses.perception.item() * len(y)
        sums["accuracy"] += _hits(output.scores, labels)
        if losses.attention is not None and output.attention_logits is not None:
            sums["loss_attention"] += losses.attention.item() * len(y)
            sums["accuracy_attention"] += _hits(output.attention_logits, labels)
    if step != epoch * steps_per_epoch:
        raise ValueError(
            f"fit: expected {steps_per_epoch} batches in epoch {epoch}, got {step - (epoch - 1) * steps_per_epoch}"
        )
    seconds = time.perf_counter() - started
    means = {name: value / n_images for name, value in sums.items() if settings.abn or "attention" not in name}
    return {"epoch": epoch, **means, "lr": lr, "seconds": seconds, "images_per_s": n_images / seconds}


def _hits(scores: Tensor, labels: Tensor) -> int:
    return int((scores.argmax(1) == labels).sum().item())


def _to_device(model: Network, device: torch.device) -> Network:
    # Channels last: what the arithmetic libraries compute in, so that nothing is reordered (a third faster on a CPU).
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _inputs(x: Tensor, device: torch.device) -> Tensor:
    return x.to(device, memory_format=torch.channels_last)


def _autocast(settings: Settings, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")


@contextlib.contextmanager
def _arithmetic() -> Iterator[None]:
    """On CUDA: deterministic convolutions, chosen without timing them, in full float32. No effect elsewhere."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def _resume(
    files: TrainingFiles,
    model: Network,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    classes: tuple[str, ...],
    validating: bool,
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Load `last.pt`, if there is one, into model and optimizer; the log rows of the epochs done, and the best weights.

    The best weights are those of `_chosen_epoch`; empty where the last epoch counts.
    """
    path = files.last
    if not path.exists():
        return [], {}
    checkpoint = _load_own(path, settings, classes)
    try:
        optimizer.load_state_dict(checkpoint.state["optimizer"])
        rows = [dict(row) for row in checkpoint.state["log"]]
        best = dict(checkpoint.state["best"]) if validating else {}
        if validating:  # both are needed at the end only: better refused now
            _chosen_epoch(rows)
            model.load_state_dict(best)
        model.load_state_dict(checkpoint.weights)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: its content does not fit this training; {_hint(path)}") from error
    files.write_log(rows)  # A kill between the two files left the log one row short
    return rows, best


def _load_own(path: Path, settings: Settings, classes: tuple[str, ...]) -> Checkpoint:
    """The checkpoint of this very training."""
    checkpoint = load_weights(path, hint=_hint(path))
    differences = settings.differences(checkpoint.settings)
    if classes != checkpoint.classes:
        differences.append(f"classes: {', '.join(classes)} here, {', '.join(checkpoint.classes)} there")
    if differences:
        raise DataError(f"{path}: belongs to another training ({'; '.join(differences)}); choose another folder")
    return checkpoint


def _hint(path: Path) -> str:
    return f"delete {path.name} to train this network again from its first epoch"
