"""Every error code that the code can raise has a sentence, in both languages."""

import ast
from pathlib import Path

from django.utils import translation

from searchapp.services.reasons import known_codes, sentence

PACKAGE = Path(__file__).resolve().parents[2] / "searchapp"
ROOMS = ("embedding", "index", "parsing", "chunking", "language", "services", "backends.py")
# Told to callers of a command, never to a person at a page.
INTERNAL = {
    "lease_lost",
    "set_unreadable",
    "document_failed",
    "sets_differ",
    "evaluation_running",
    "run_unreadable",
    "search_degraded",
}


def raised_codes() -> set[str]:
    """Return the first argument of every call whose function is named ``…Error``."""
    codes = set()
    paths = [
        path
        for room in ROOMS
        for path in ([PACKAGE / room] if room.endswith(".py") else (PACKAGE / room).rglob("*.py"))
    ]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            is_code = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.isidentifier()
            if name.endswith("Error") and is_code:
                codes.add(first.value)
    return codes


def test_sentence_every_raised_code_has_one() -> None:
    codes = raised_codes()
    assert len(codes) > 20
    assert codes - INTERNAL <= known_codes()


def test_sentence_every_code_is_translated() -> None:
    for code in known_codes():
        with translation.override("en"):
            english = sentence(code)
        with translation.override("zh-hans"):
            assert sentence(code) != english, code
