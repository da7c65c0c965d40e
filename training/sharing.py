"""Let rare tokens share directions, so that a file of few rows holds a large vocabulary.

A token keeps a weight of its own; its direction is a row of a table that is smaller than the vocabulary.
Common tokens have a row for themselves. Rare ones, most of them translations and forms of each other, are
gathered by spherical k-means (Dhillon and Modha 2001, "Concept decompositions"). model2vec reads the result
as "vocabulary quantization".
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.recipe import Recipe
from training.teacher import FloatArray

_ROUNDS = 3
_TOKENS_PER_PRODUCT = 4096


def share_rows(
    vectors: FloatArray, counts: NDArray[np.int64], recipe: Recipe, *, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Say which tokens share a row: ``(vocabulary,) int32``, rows numbered from zero, none without a token.

    Args:
        vectors: ``(vocabulary, dimensions)``, the vectors of tokens; zeros are allowed.
        counts: ``(vocabulary,)``, how often each token stands in the training texts.
        recipe: number of rows.
        rng: draws the tokens that the rounds start from.
    """
    order = np.argsort(-counts, kind="stable")
    own, rare = order[: recipe.own_rows], order[recipe.own_rows :]
    row_of_token = np.empty(len(vectors), dtype=np.int32)
    row_of_token[own] = np.arange(len(own))
    nearest = _k_means(functional.normalize(torch.from_numpy(vectors[rare])), recipe.rows - len(own), rng)
    row_of_token[rare] = len(own) + np.unique(nearest, return_inverse=True)[1]  # without centres that lost all
    return row_of_token


def _k_means(points: torch.Tensor, centre_count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for every point the nearest of ``centre_count`` centres."""
    start = rng.choice(len(points), size=centre_count, replace=False)
    centres = points[torch.from_numpy(start)]
    nearest = _nearest(points, centres)
    for _ in range(_ROUNDS):
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        is_used = sums.norm(dim=1) > 0  # a centre that lost all its points stays where it is
        centres = torch.where(is_used[:, None], functional.normalize(sums), centres)
        nearest = _nearest(points, centres)
    return np.asarray(nearest.numpy())


def _nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    return torch.cat([(block @ centres.T).argmax(dim=1) for block in points.split(_TOKENS_PER_PRODUCT)])
