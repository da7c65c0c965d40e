"""What the API takes and gives."""

import uuid
from typing import Annotated

from ninja import Field, Schema

# PostgreSQL takes no null characters.
TEXT_PATTERN = r"^[^\x00]*$"
Text = Annotated[str, Field(pattern=TEXT_PATTERN)]


class CollectionIn(Schema):
    """A collection to be made."""

    slug: str = Field(min_length=1, max_length=80, pattern=r"^[-a-zA-Z0-9_]+$")
    name: Text = Field(min_length=1, max_length=200)
    description: Text = Field("", max_length=2_000)
    task: str = Field("web", pattern="^(web|faq|ticket|code)$")
    instruction: Text = Field("", max_length=500)
    visibility: str = Field("public", pattern="^(public|signed_in|restricted)$")


class CollectionOut(Schema):
    """A collection that the caller may search."""

    slug: str
    name: str
    description: str
    task: str
    instruction: str
    visibility: str


class DocumentAccepted(Schema):
    """An upload that was taken in; ``url`` tells how far it is."""

    id: uuid.UUID
    status: str
    url: str


class Progress(Schema):
    """Passages embedded, of how many; both 0 before the document was read."""

    done: int
    total: int


class Problem(Schema):
    """What went wrong: a stable code and a sentence for people."""

    code: str
    message: str


class DocumentOut(Schema):
    """A document and how far it is. ``error`` of a queued document says what it waits for."""

    id: uuid.UUID
    title: str
    collection: str
    source_name: str
    status: str
    progress: Progress
    error: Problem | None
    passages: int
    language: str
    tags: list[str]
    version: int


class TagsIn(Schema):
    """The tags of a document: at most 20, of at most 50 characters each; case does not count."""

    tags: list[Text]


class ElsewhereOut(Schema):
    """Another document that says the same."""

    document_id: uuid.UUID
    title: str
    language: str


class HitOut(Schema):
    """One passage; ``url`` opens the document there.

    ``score`` is what hits are ranked by, mostly between 0 and 0.7; it is made of ``similarity`` (cosine, -1 to 1) and
    ``term_share`` (about how much of the question's words the passage holds, 0 to 1). Hits with a ``rerank_score``
    come first, ranked by that; its scale is the reranker's own.
    """

    document_id: uuid.UUID
    title: str
    collection: str
    source_name: str
    language: str
    question: str
    passage: str
    heading_path: list[str]
    page: int | None
    score: float
    similarity: float
    term_share: float
    rerank_score: float | None
    tags: list[str]
    elsewhere: list[ElsewhereOut]
    url: str


class SearchOut(Schema):
    """The ranked hits of one question.

    ``answered`` tells whether one of the best is a good answer; ``degraded`` is the error code where words alone
    answered, else empty; ``language_known`` is false where the model was not trained on the question's language.
    """

    query: str
    query_language: str
    took_ms: int
    answered: bool
    degraded: str
    language_known: bool
    hits: list[HitOut]


class ErrorOut(Schema):
    """Every error of the API."""

    error: Problem
