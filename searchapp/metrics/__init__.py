"""How good a ranking is, and whether another is better: pure numpy."""

from searchapp.metrics.bootstrap import Interval, bootstrap_difference
from searchapp.metrics.randomisation import chance_of_loss, holm
from searchapp.metrics.ranking import METRICS, QueryScore, mean_scores, score_ranking

__all__ = [
    "METRICS",
    "Interval",
    "QueryScore",
    "bootstrap_difference",
    "chance_of_loss",
    "holm",
    "mean_scores",
    "score_ranking",
]
