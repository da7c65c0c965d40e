"""Haystack: splitter (200 words), document embedder, writer; text embedder, retriever."""

from collections.abc import Sequence

from haystack import Document as HaystackDocument
from haystack import Pipeline
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.utils import Secret
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from benchmarks.peers.systems.base import Document, Services


class Haystack:
    def __init__(self, services: Services) -> None:
        self._store = QdrantDocumentStore(
            url=services.qdrant_url,
            api_key=Secret.from_token(services.qdrant_key),
            index=services.collection,
            embedding_dim=services.dimensions,
            payload_fields_to_index=[{"field_name": "meta.language", "field_schema": "keyword"}],
            progress_bar=False,
        )
        self._service = {
            "api_key": Secret.from_token(services.embedding_key),
            "api_base_url": services.embedding_url,
            "model": services.embedding_model,
        }
        self._asking = Pipeline()
        self._asking.add_component("embedder", OpenAITextEmbedder(**self._service))
        self._asking.add_component("retriever", QdrantEmbeddingRetriever(self._store))
        self._asking.connect("embedder.embedding", "retriever.query_embedding")

    def index(self, documents: Sequence[Document]) -> None:
        indexing = Pipeline()
        indexing.add_component("splitter", DocumentSplitter())
        indexing.add_component("embedder", OpenAIDocumentEmbedder(**self._service, progress_bar=False))
        indexing.add_component("writer", DocumentWriter(self._store))
        indexing.connect("splitter", "embedder")
        indexing.connect("embedder", "writer")
        rows = [
            HaystackDocument(content=document.text, meta={"name": document.id, "language": document.language})
            for document in documents
        ]
        indexing.run({"splitter": {"documents": rows}})

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        wanted = {"field": "meta.language", "operator": "==", "value": language} if language else None
        answer = self._asking.run(
            {"embedder": {"text": question}, "retriever": {"top_k": limit, "filters": wanted}},
        )
        return [found.meta["name"] for found in answer["retriever"]["documents"]]
