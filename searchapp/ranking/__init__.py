"""The order of hits, the part of a hit that answers, and texts that say the same: pure numpy."""

from searchapp.ranking.answering import ANSWER_RANKS, LEAST_BEHIND, AnswerTest, Surroundings, surroundings
from searchapp.ranking.duplicates import first_of_equals
from searchapp.ranking.grouping import limit_per_group
from searchapp.ranking.highlight import best_span
from searchapp.ranking.profiles import Profile, profile_of, read_profile, write_profile
from searchapp.ranking.relevance import NOISE_RANKS, UNBALANCED, Evidence, Weights, relevances
from searchapp.ranking.twins import find_twins
from searchapp.ranking.versions import Version, group_versions

__all__ = [
    "ANSWER_RANKS",
    "LEAST_BEHIND",
    "NOISE_RANKS",
    "UNBALANCED",
    "AnswerTest",
    "Evidence",
    "Profile",
    "Surroundings",
    "Version",
    "Weights",
    "best_span",
    "find_twins",
    "first_of_equals",
    "group_versions",
    "limit_per_group",
    "profile_of",
    "read_profile",
    "relevances",
    "surroundings",
    "write_profile",
]
