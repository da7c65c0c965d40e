"""The order of hits, the part of a hit that answers, and texts that say the same: pure numpy."""

from searchapp.ranking.grouping import limit_per_group
from searchapp.ranking.highlight import best_span
from searchapp.ranking.relevance import OWN_LANGUAGE_OFFSET, TERM_WEIGHT, relevance
from searchapp.ranking.twins import find_twins

__all__ = ["OWN_LANGUAGE_OFFSET", "TERM_WEIGHT", "best_span", "find_twins", "limit_per_group", "relevance"]
