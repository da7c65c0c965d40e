"""The pupil: one vector a token, learned by contrast and from the teacher."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.batches import Bags, Batch
from training.precision import fast_products
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


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """What is exported: the vector of token t is ``rows[row_of_token[t]] * weights[t]``.

    Attributes:
        rows: ``(rows, dimensions) float32``.
        row_of_token: ``(vocabulary,) int32``.
        weights: ``(vocabulary,) float32``.
    """

    rows: FloatArray
    row_of_token: NDArray[np.int32]
    weights: FloatArray

    @property
    def tokens(self) -> FloatArray:
        """The vectors of all tokens: ``(vocabulary, dimensions) float32``."""
        vectors: FloatArray = self.rows[self.row_of_token] * self.weights[:, None]
        return vectors


class TokenTable:
    """A trainable table of token vectors: the vector of a token is its row times its weight.

    At first every token has a row of its own and weight 1; ``share`` lets several have one row.
    """

    def __init__(self, start: FloatArray, targets: FloatArray, recipe: Recipe) -> None:
        """Take over the start.

        Args:
            start: ``(vocabulary, dimensions)``, see ``starting_vectors``.
            targets: ``(texts, dimensions)``, unit L2 norm, the teacher's vectors.
            recipe: weights of the losses and of the optimiser.
        """
        self._rows = _Parameter(torch.from_numpy(start.copy()))
        self._weights: _Parameter | None = None
        self._row_of_token = np.arange(len(start), dtype=np.int32)
        self._targets = torch.from_numpy(targets)
        self._recipe = recipe

    @property
    def vectors(self) -> TokenVectors:
        """The table as it stands."""
        rows = np.asarray(self._rows.values.numpy())
        weights = (
            np.ones(len(self._row_of_token), np.float32) if self._weights is None else self._weights.values.numpy()
        )
        return TokenVectors(rows, self._row_of_token, weights)

    def share(self, row_of_token: NDArray[np.int32]) -> None:
        """Give tokens rows in common: the mean direction of theirs, and each its norm as a weight.

        Args:
            row_of_token: ``(vocabulary,)``, see ``sharing.share_rows``; every row has a token.
        """
        vectors = self._rows.values
        norms = vectors.norm(dim=1)
        rows = torch.from_numpy(row_of_token.astype(np.int64))
        count = int(rows.max()) + 1
        directions = functional.normalize(
            torch.zeros(count, vectors.shape[1]).index_add_(0, rows, functional.normalize(vectors))
        )
        # weights near one, so that one learning rate suits rows and weights
        sums, tokens = torch.zeros(count).index_add_(0, rows, norms), torch.bincount(rows, minlength=count)
        row_norms = sums / tokens
        self._rows = _Parameter(directions * row_norms[:, None])
        self._weights = _Parameter(torch.where(norms > 0, norms / row_norms[rows], 0.0))
        self._row_of_token = row_of_token

    def step(self, batch: Batch, *, learning_rate: float) -> Losses:
        """Learn from one batch."""
        tokens, places = np.unique(np.concatenate([batch.left.tokens, batch.right.tokens]), return_inverse=True)
        rows, row_places = np.unique(self._row_of_token[tokens], return_inverse=True)
        chosen = [self._rows.chosen(rows)]
        vectors = chosen[0][torch.from_numpy(row_places)]
        if self._weights:
            chosen.append(self._weights.chosen(tokens))
            vectors = vectors * chosen[1][:, None]
        split = len(batch.left.tokens)
        left = _sums(vectors, places[:split], batch.left)
        right = _sums(vectors, places[split:], batch.right)

        no_negatives = torch.from_numpy(batch.is_no_negative)
        contrast = self._contrast(left, right, no_negatives)
        for dimensions, weight in self._recipe.nested:
            contrast = contrast + weight * self._contrast(left[:, :dimensions], right[:, :dimensions], no_negatives)
        taught = self._teacher_loss(left, right, batch.teacher_rows)
        gradients = torch.autograd.grad(contrast + self._recipe.teacher_weight * taught, chosen)
        self._rows.update(rows, gradients[0], learning_rate)
        if self._weights:
            self._weights.update(tokens, gradients[1], learning_rate)
        return Losses(contrast.item(), taught.item())

    def _contrast(self, left: torch.Tensor, right: torch.Tensor, no_negatives: torch.Tensor) -> torch.Tensor:
        """Return how badly each side picks its partner among all of the other side (InfoNCE, both ways)."""
        with fast_products():
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


class _Parameter:
    """An array with Adam that touches only what a batch holds; the moments of all else rest."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values
        self._mean = torch.zeros_like(values)
        self._variance = torch.zeros_like(values)
        self._steps = 0

    def chosen(self, places: NDArray[np.integer]) -> torch.Tensor:
        return self.values[torch.from_numpy(places)].requires_grad_()

    def update(self, places: NDArray[np.integer], gradient: torch.Tensor, learning_rate: float) -> None:
        self._steps += 1
        rows = torch.from_numpy(places)
        mean = self._mean[rows].lerp_(gradient, 1 - _BETAS[0])
        variance = self._variance[rows].mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        self._mean[rows], self._variance[rows] = mean, variance
        rate = learning_rate / (1 - _BETAS[0] ** self._steps)
        scale = (variance / (1 - _BETAS[1] ** self._steps)).sqrt_().add_(_EPSILON)
        self.values[rows] -= rate * mean / scale


def starting_vectors(
    directions: FloatArray, counts: NDArray[np.int64], *, silent: Sequence[int], rng: np.random.Generator
) -> FloatArray:
    """Return the table to start from: the teacher's directions, random ones where it has none, norms by rarity.

    Args:
        directions: ``(vocabulary, dimensions)``, unit L2 norm or zeros.
        counts: ``(vocabulary,)``, how often each token stands in the training texts.
        silent: ids whose vectors are zero.
        rng: draws the directions that the teacher does not give.
    """
    random = rng.standard_normal(directions.shape, dtype=np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    start = np.where(directions.any(axis=1, keepdims=True), directions, random)
    shares = counts / counts.sum()
    norms = _START_NORM * (_MIN_START + _SIF / (_SIF + shares))
    norms[list(silent)] = 0
    return (start * norms[:, None]).astype(np.float32)


def _sums(vectors: torch.Tensor, places: NDArray[np.int64], bags: Bags) -> torch.Tensor:
    return functional.embedding_bag(torch.from_numpy(places), vectors, torch.from_numpy(bags.starts), mode="sum")
