"""Training of a network: `fit` trains one, and continues where a killed process stopped.

Bit-exactness on the CPU needs the same number of threads (`torch.set_num_threads`, set by the caller), the same kind of
processor and the same torch; nothing here depends on the clock, the global random state or other processes. `fit`
never sees a test clip: it is given training batches only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import DataError
from ..settings import Settings
from .checkpoint import Checkpoint, load_weights, restore, save_checkpoint
from .device import autocast, choose_device, deterministic_arithmetic, input_to_device, to_device
from .losses import branch_losses
from .model import CosineHead, Network, build_model
from .training_files import TrainingFiles

__all__ = [
    "FitResult",
    "TrainingBatches",
    "ValidationScores",
    "arc_margin",
    "fit",
    "learning_rate",
    "make_optimizer",
]


class TrainingBatches(NamedTuple):
    """What a network is trained on.

    Attributes:
        of_epoch: epoch (1 .. settings.epochs) -> `per_epoch` pairs of (B, T, H, W) float32 inputs and (B,) int64 labels
            in 0..K-1, on the CPU, B at least 2; the same at every call.
        per_epoch: Number of batches in each epoch, at least 1.
    """

    of_epoch: Callable[[int], Iterable[tuple[Tensor, Tensor]]]
    per_epoch: int


class ValidationScores(NamedTuple):
    """Scores of a network on clips kept out of its training: mean cross-entropy, and UF1 (0..1)."""

    loss: float
    uf1: float


class FitResult(NamedTuple):
    """A trained network in evaluation mode, and the epoch (from 1) whose weights it has."""

    model: Network
    epoch: int


def fit(
    settings: Settings,
    classes: tuple[str, ...],
    batches: TrainingBatches,
    files: TrainingFiles,
    initial: dict[str, Tensor] | None = None,
    seen: Sequence[str] = (),
    validate: Callable[[Network], ValidationScores] | None = None,
) -> FitResult:
    """Train one network, or continue the training that a killed call with the same files left.

    After every epoch `files.last` (all that continuing needs) and `files.log` (`LOG_COLUMNS`, one row per epoch) are
    replaced atomically; at the end `files.final` is written. If that exists, it is returned at once. A training that
    was killed and continued, any number of times, ends with exactly the weights of an undisturbed one. The global
    random state of torch is used and left seeded.

    Args:
        settings: All of its network, training and arithmetic fields and `seed`.
        classes: Emotion of each output, in order; K of them.
        batches: Of training clips only.
        files: Of this training alone; their folder exists.
        initial: Complete weights to start from (a `state_dict` of the same network, e.g. after
            `mertool.network.checkpoint.transfer`) instead of fresh ones; ignored when continuing from `files.last`.
        seen: Ids of all clips that the weights will have seen, those of `initial` included; stored in the checkpoints.
        validate: Called after every epoch to choose the best one (see `_best_epoch`). None: the last epoch counts.

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
        return FitResult(to_device(restore(final), device), final.epoch)
    with deterministic_arithmetic():
        model = build_model(settings, len(classes), settings.seed)
        if initial is not None:
            model.load_state_dict(initial)
        to_device(model, device)
        optimizer = make_optimizer(model, settings)
        rows, best = _resume(files, model, optimizer, settings, classes, validate is not None)
        for epoch in range(len(rows) + 1, settings.epochs + 1):
            rows.append(_train_epoch(model, optimizer, batches, settings, epoch))
            state: dict[str, Any] = {"optimizer": optimizer.state_dict(), "log": rows}
            if validate is not None:
                best = state["best"] = _validate(validate, model, settings, rows, best)
            save_checkpoint(files.last, settings, classes, model.state_dict(), state, seen)
            files.write_log(rows)
        chosen = settings.epochs
        if validate is not None:
            model.load_state_dict(best)
            chosen = _best_epoch(rows)
        _check_finite(model, settings)
        save_checkpoint(files.final, settings, classes, model.state_dict(), {"epoch": chosen}, seen)
    return FitResult(model.eval(), chosen)


def _validate(
    validate: Callable[[Network], ValidationScores],
    model: Network,
    settings: Settings,
    rows: list[dict[str, float]],
    best: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Add the scores of the epoch just trained to its row of the log; the weights of the best epoch until now."""
    _check_finite(model, settings)
    scores = validate(model)
    rows[-1] |= {"loss_validation": scores.loss, "uf1_validation": scores.uf1}
    if _best_epoch(rows) < len(rows):
        return best
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _check_finite(model: Network, settings: Settings) -> None:
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise DataError(f"the last step produced NaN or infinite weights; lower --lr (now {settings.lr:g})")


def _best_epoch(rows: Sequence[dict[str, float]]) -> int:
    """The epoch, from 1, with the highest UF1; ties (common with few clips) go to lower loss, then earlier epoch."""
    best = max(range(len(rows)), key=lambda k: (rows[k]["uf1_validation"], -rows[k]["loss_validation"], -k))
    return best + 1


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
    if step >= n_ramp:
        return settings.arc_margin
    return settings.arc_margin * (step / n_ramp)


def make_optimizer(model: Network, settings: Settings) -> torch.optim.Optimizer:
    """AdamW or SGD, with weight decay on the weights of convolutions and of a linear head only.

    Biases and normalisation do not need it, and the length of an ArcFace direction has no effect.
    """
    directions = {id(module.weight) for module in model.modules() if isinstance(module, CosineHead)}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1 and id(p) not in directions]},
        {"params": [p for p in model.parameters() if p.ndim <= 1 or id(p) in directions], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    # Fused: one pass over the memory of each tensor, about 10 ms less per step on a CPU.
    fused = settings.device != "mps"
    return torch.optim.AdamW(groups, settings.lr, weight_decay=settings.weight_decay, fused=fused)


def _train_epoch(
    model: Network,
    optimizer: torch.optim.Optimizer,
    batches: TrainingBatches,
    settings: Settings,
    epoch: int,
) -> dict[str, float]:
    """One pass over the training batches; a row of the log."""
    device = next(model.parameters()).device
    first_step, total_steps = (epoch - 1) * batches.per_epoch, settings.epochs * batches.per_epoch
    step = first_step
    # Dropout's random numbers depend on seed and epoch only, so that continuing after a kill needs no random state.
    torch.manual_seed((settings.seed * 1_000_003 + epoch) % 2**63)
    model.train()
    sums = dict.fromkeys(("loss", "loss_perception", "loss_attention", "accuracy", "accuracy_attention"), 0.0)
    n_images, lr, started = 0, 0.0, time.perf_counter()
    for x, y in batches.of_epoch(epoch):
        if len(y) < 2:
            raise DataError(
                f"epoch {epoch}, step {step + 1}: a batch of one clip cannot be normalised; choose another --batch-size"
            )
        lr = learning_rate(settings, step, total_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        labels = y.to(device)
        with autocast(settings, device):
            output = model(input_to_device(x, device))
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
    if step - first_step != batches.per_epoch:
        raise ValueError(f"fit: expected {batches.per_epoch} batches in epoch {epoch}, got {step - first_step}")
    seconds = time.perf_counter() - started
    means = {name: value / n_images for name, value in sums.items() if settings.abn or "attention" not in name}
    return {"epoch": epoch, **means, "lr": lr, "seconds": seconds, "images_per_s": n_images / seconds}


def _hits(scores: Tensor, labels: Tensor) -> int:
    return int((scores.argmax(1) == labels).sum().item())


def _resume(
    files: TrainingFiles,
    model: Network,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    classes: tuple[str, ...],
    validating: bool,
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Load `last.pt`, if there is one, into model and optimizer.

    Returns:
        The log rows of the epochs done, and the weights of `_best_epoch`; no weights where the last epoch counts.
    """
    path = files.last
    if not path.exists():
        return [], {}
    checkpoint = _load_own(path, settings, classes)
    try:
        optimizer.load_state_dict(checkpoint.state["optimizer"])
        rows = [dict(row) for row in checkpoint.state["log"]]
        best = dict(checkpoint.state["best"]) if validating else {}
        if validating:  # needed only at the end, but better refused now
            _best_epoch(rows)
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
