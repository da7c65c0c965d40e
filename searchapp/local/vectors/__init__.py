"""Speak the part of Qdrant's REST API that the application uses, over the embedded engine.

A program of its own (``python -m searchapp.local.vectors``), because the engine lets only one process
into a collection and holds the interpreter during every call. Clients cannot tell it from a Qdrant
server, except that it refuses, naming it, what it does not speak.

    app         routes and answers          -> store, collection
    store       collections and aliases     -> collection
    collection  one shard                   -> schema, updates, queries, filters, responses
"""

from .app import create_app
from .errors import DataDirError
from .store import VectorStore

__all__ = ["DataDirError", "VectorStore", "create_app"]
