"""How good a ranking is: pure numpy."""

from searchapp.metrics.ranking import METRICS, QueryScore, mean_scores, score_ranking

__all__ = ["METRICS", "QueryScore", "mean_scores", "score_ranking"]
