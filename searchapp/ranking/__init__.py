"""The order of hits and the part of a hit that answers: pure numpy."""

from searchapp.ranking.grouping import limit_per_group
from searchapp.ranking.highlight import best_span
from searchapp.ranking.relevance import OWN_LANGUAGE_OFFSET, relevance

__all__ = ["OWN_LANGUAGE_OFFSET", "best_span", "limit_per_group", "relevance"]
