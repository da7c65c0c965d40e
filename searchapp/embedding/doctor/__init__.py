"""Find out what is wrong with an embedding service or a reranker, by asking it and judging the answers."""

from searchapp.embedding.doctor.examining import Depth, examine
from searchapp.embedding.doctor.report import (
    CODES,
    MEANING_CODES,
    Endpoint,
    Examination,
    Expectations,
    Finding,
    Outcome,
    Severity,
    Step,
    Value,
)
from searchapp.embedding.doctor.reranking import examine_reranker

__all__ = [
    "CODES",
    "MEANING_CODES",
    "Depth",
    "Endpoint",
    "Examination",
    "Expectations",
    "Finding",
    "Outcome",
    "Severity",
    "Step",
    "Value",
    "examine",
    "examine_reranker",
]
