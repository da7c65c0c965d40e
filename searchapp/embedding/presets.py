"""How the texts of each known family of models are framed, and what a question may be meant to find."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

# The task description that the Qwen3-Embedding model card uses for web questions.
DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

# In English also for questions in other languages, as the authors of Qwen3-Embedding advise (model card).
TASKS = MappingProxyType(
    {
        "web": DEFAULT_INSTRUCTION,
        "faq": "Given a customer's question, retrieve the frequently asked question and its answer",
        "ticket": "Given a support ticket, retrieve solved tickets and articles that describe the same problem",
        "code": "Given a question about programming, retrieve the code and documentation that answer it",
    }
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a model was trained to see around a query and a document.

    ``query`` holds ``{text}`` and, where the model follows instructions, ``{instruction}``.
    """

    query: str = "{text}"
    document: str = "{text}"

    def frame_query(self, text: str, instruction: str = "") -> str:
        """Return the query with its frame; an empty instruction means the one for web questions."""
        before, _, after = self.query.partition("{text}")
        return before.replace("{instruction}", instruction or DEFAULT_INSTRUCTION) + text + after

    def frame_document(self, text: str) -> str:
        """Return the document with its frame."""
        before, _, after = self.document.partition("{text}")
        return before + text + after


NONE = Frame()
# https://huggingface.co/Qwen/Qwen3-Embedding-0.6B: no blank after "Query:".
QWEN3 = Frame("Instruct: {instruction}\nQuery:{text}")
# https://huggingface.co/intfloat/multilingual-e5-large-instruct and https://huggingface.co/Alibaba-NLP/gte-Qwen2-7B-instruct:
# the same with a blank.
INSTRUCT = Frame("Instruct: {instruction}\nQuery: {text}")
# https://huggingface.co/intfloat/multilingual-e5-small
E5 = Frame("query: {text}", "passage: {text}")
# https://huggingface.co/BAAI/bge-large-en-v1.5 and https://huggingface.co/BAAI/bge-large-zh-v1.5
BGE_ENGLISH = Frame("Represent this sentence for searching relevant passages: {text}")
BGE_CHINESE = Frame("为这个句子生成表示以用于检索相关文章：{text}")
# https://huggingface.co/BAAI/bge-multilingual-gemma2
BGE_INSTRUCT = Frame("<instruct>{instruction}\n<query>{text}")
# https://huggingface.co/jinaai/jina-embeddings-v3 (config_sentence_transformers.json)
JINA_V3 = Frame(
    "Represent the query for retrieving evidence documents: {text}", "Represent the document for retrieval: {text}"
)
# https://huggingface.co/jinaai/jina-embeddings-v4
JINA_V4 = Frame("Query: {text}", "Passage: {text}")


def _bge(model: str) -> Frame:
    if re.search(r"gemma|icl", model):
        return BGE_INSTRUCT
    if re.search(r"-zh\b", model):
        return BGE_CHINESE
    # bge-m3 wants none (https://huggingface.co/BAAI/bge-m3)
    return BGE_ENGLISH if re.search(r"-en\b", model) else NONE


def _e5(model: str) -> Frame:
    return INSTRUCT if re.search(r"instruct|mistral", model) else E5


def _gte(model: str) -> Frame:
    # gte-multilingual-base and gte-*-en-v1.5 want none (https://huggingface.co/Alibaba-NLP/gte-multilingual-base)
    return INSTRUCT if re.search(r"qwen", model) else NONE


def _jina(model: str) -> Frame:
    if re.search(r"v3\b", model):
        return JINA_V3
    return JINA_V4 if re.search(r"v4\b", model) else NONE  # v2 and the older ones want none


# In the order in which a name is tried: gte-Qwen2 is a gte.
FAMILIES: MappingProxyType[str, Callable[[str], Frame]] = MappingProxyType(
    {
        "gte": _gte,
        "bge": _bge,
        "e5": _e5,
        "jina": _jina,
        "qwen3": lambda _model: QWEN3,
        "none": lambda _model: NONE,
    }
)
_NAMES = MappingProxyType(
    {
        "gte": re.compile(r"\bgte\b"),
        "bge": re.compile(r"\bbge\b"),
        "e5": re.compile(r"\be5\b"),
        "jina": re.compile(r"\bjina"),
        "qwen3": re.compile(r"qwen-?3"),
    }
)


def family_of(model: str) -> str:
    """Return the key in `FAMILIES` that the name or path of a model tells, ``none`` where it tells nothing."""
    name = _plain(model)
    return next((family for family, pattern in _NAMES.items() if pattern.search(name)), "none")


def frame_of(family: str, model: str) -> Frame:
    """Return how texts are framed for a model of a family.

    Raises:
        KeyError: there is no such family.
    """
    return FAMILIES[family](_plain(model))


def context_of(model: str) -> int:
    """Return how many tokens a model reads according to its card, for a service that does not tell."""
    return (
        512
        if re.search(r"e5-(small|base|large)|bge-(small|base|large)|gte-(small|base|large)$", _plain(model))
        else 8_192
    )


def _plain(model: str) -> str:
    # The last part of a path or hub name: a folder "/models/e5/" above tells nothing about what lies in it.
    return re.sub(r"[_\s.:]+", "-", model.lower().rstrip("/").rsplit("/", 1)[-1])
