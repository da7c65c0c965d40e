"""The pupil: one vector a token, learned by contrast and from the teacher."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.batches import Bags, Batch
from training.recipe import Recipe
from training.teacher import FloatArray

# Smooth inverse frequency (Arora et al. 2017): a = 1e-4. It only sets the norms to start from.
_SIF = 1e-4
_MIN_START = 0.15
# Norm of the vector of a rare token at the start, that of 256 draws from N(0, 0.1^2).
_START_NORM = 1.6
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_MIN_TAUGHT = 4


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of the loss of one batch; ``teacher`` is zero where the teacher says nothing."""

    contrast: float
    teacher: float


class TokenTable:
    """A trainable table of token vectors.

    The optimiser is Adam that touches only the tokens of the batch; moments of all others rest.
    """

    def __init__(self, start: FloatArray, targets: FloatArray, recipe: Recipe) -> None:
        """Take over the start.

        Args:
            start: ``(vocabulary, dimensions)``, see ``starting_vectors``.
            targets: ``(texts, dimensions)``, unit L2 norm, the teacher's vectors.
            recipe: weights of the losses and of the optimiser.
        """
        self._table = torch.from_numpy(start.copy())
        self._mean = torch.zeros_like(self._table)
        self._variance = torch.zeros_like(self._table)
        self._targets = torch.from_numpy(targets)
        self._recipe = recipe
        self._steps = 0

    @property
    def vectors(self) -> FloatArray:
        """The table as it stands: ``(vocabulary, dimensions) float32``."""
        return np.asarray(self._table.numpy())

    def step(self, batch: Batch, *, learning_rate: float) -> Losses:
        """Learn from one batch."""
        tokens, places = np.unique(np.concatenate([batch.left.tokens, batch.right.tokens]), return_inverse=True)
        rows = torch.from_numpy(tokens)
        vectors = self._table[rows].requires_grad_()
        split = len(batch.left.tokens)
        left = _sums(vectors, places[:split], batch.left)
        right = _sums(vectors, places[split:], batch.right)

        no_negatives = torch.from_numpy(batch.is_no_negative)
        contrast = self._contrast(left, right, no_negatives)
        for dimensions, weight in self._recipe.nested:
            contrast = contrast + weight * self._contrast(left[:, :dimensions], right[:, :dimensions], no_negatives)
        taught = self._teacher_loss(left, right, batch.teacher_rows)
        (gradient,) = torch.autograd.grad(contrast + self._recipe.teacher_weight * taught, vectors)
        self._update(rows, gradient, learning_rate)
        return Losses(contrast.item(), taught.item())

    def _contrast(self, left: torch.Tensor, right: torch.Tensor, no_negatives: torch.Tensor) -> torch.Tensor:
        """Return how badly each side picks its partner among all of the other side (InfoNCE, both ways)."""
        # a product in bfloat16 is off by less than a hundredth of a cosine, and many times as fast on matrix units
        with torch.autocast("cpu", torch.bfloat16):
            cosines = functional.normalize(left) @ functional.normalize(right).T
        # no cosine is above one, so nothing overflows, and one exponential serves both cross-entropies
        scores = self._recipe.scale * (cosines.float() - 1)
        shares = scores.exp().masked_fill(no_negatives, 0)
        return (shares.sum(0).log() + shares.sum(1).log()).mean() / 2 - scores.diagonal().mean()

    def _teacher_loss(self, left: torch.Tensor, right: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor:
        """Return the mean cosine distance of both sides from the teacher's vector of the English side."""
        taught = np.flatnonzero(rows >= 0)
        if len(taught) < _MIN_TAUGHT:
            return torch.zeros(())
        targets = self._targets[torch.from_numpy(rows[taught])]
        chosen = torch.from_numpy(taught)
        near = functional.cosine_similarity(left[chosen], targets) + functional.cosine_similarity(
            right[chosen], targets
        )
        return 1 - near.mean() / 2

    def _update(self, rows: torch.Tensor, gradient: torch.Tensor, learning_rate: float) -> None:
        self._steps += 1
        mean = self._mean[rows].lerp_(gradient, 1 - _BETAS[0])
        variance = self._variance[rows].mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        self._mean[rows], self._variance[rows] = mean, variance
        rate = learning_rate / (1 - _BETAS[0] ** self._steps)
        scale = (variance / (1 - _BETAS[1] ** self._steps)).sqrt_().add_(_EPSILON)
        self._table[rows] -= rate * mean / scale


def starting_vectors(
    directions: FloatArray, tokens: NDArray[np.int32], *, silent: Sequence[int], rng: np.random.Generator
) -> FloatArray:
    """Return the table to start from: the teacher's directions, random ones where it has none, norms by rarity.

    Args:
        directions: ``(vocabulary, dimensions)``, unit L2 norm or zeros.
        tokens: all tokens of the training texts, to count.
        silent: ids whose vectors are zero.
        rng: draws the directions that the teacher does not give.
    """
    random = rng.standard_normal(directions.shape, dtype=np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    start = np.where(directions.any(axis=1, keepdims=True), directions, random)
    shares = np.bincount(tokens, minlength=len(directions)) / len(tokens)
    norms = _START_NORM * (_MIN_START + _SIF / (_SIF + shares))
    norms[list(silent)] = 0
    return (start * norms[:, None]).astype(np.float32)


def _sums(vectors: torch.Tensor, places: NDArray[np.int64], bags: Bags) -> torch.Tensor:
    return functional.embedding_bag(torch.from_numpy(places), vectors, torch.from_numpy(bags.starts), mode="sum")
