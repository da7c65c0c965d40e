"""Measuring search on labelled questions, through the ordinary pipeline and the ordinary search."""

from searchapp.services.evaluating.asking import (
    ask_collections,
    current_settings,
    evaluate,
    evaluate_collections,
    run_questions,
)
from searchapp.services.evaluating.bases import Base, indexed, remove_dead, remove_kept
from searchapp.services.evaluating.comparing import Change, Comparison, Difference, compare
from searchapp.services.evaluating.files import RUN_NAME, write_comparison, write_evaluation, write_questions
from searchapp.services.evaluating.matrix import difference_svg, score_svg
from searchapp.services.evaluating.mining import mine, mined_set
from searchapp.services.evaluating.runs import Means, Ranking, Report, Run, read_run, report, write_run
from searchapp.services.evaluating.sets import (
    EvaluationError,
    EvaluationSet,
    Item,
    Question,
    Unit,
    document_key,
    load_questions,
    load_set,
    row_key,
)

__all__ = [
    "RUN_NAME",
    "Base",
    "Change",
    "Comparison",
    "Difference",
    "EvaluationError",
    "EvaluationSet",
    "Item",
    "Means",
    "Question",
    "Ranking",
    "Report",
    "Run",
    "Unit",
    "ask_collections",
    "compare",
    "current_settings",
    "difference_svg",
    "document_key",
    "evaluate",
    "evaluate_collections",
    "indexed",
    "load_questions",
    "load_set",
    "mine",
    "mined_set",
    "read_run",
    "remove_dead",
    "remove_kept",
    "report",
    "row_key",
    "run_questions",
    "score_svg",
    "write_comparison",
    "write_evaluation",
    "write_questions",
    "write_run",
]
