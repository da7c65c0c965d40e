"""The order of hits, the part of a hit that answers, and texts that say the same: pure numpy."""

from searchapp.ranking.grouping import limit_per_group
from searchapp.ranking.highlight import best_span
from searchapp.ranking.profiles import Profile, profile_of, read_profile, write_profile
from searchapp.ranking.relevance import NOISE_RANKS, UNBALANCED, Evidence, Weights, fit, relevances
from searchapp.ranking.twins import find_twins

__all__ = [
    "NOISE_RANKS",
    "UNBALANCED",
    "Evidence",
    "Profile",
    "Weights",
    "best_span",
    "find_twins",
    "fit",
    "limit_per_group",
    "profile_of",
    "read_profile",
    "relevances",
    "write_profile",
]
