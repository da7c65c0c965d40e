"""LlamaIndex: `VectorStoreIndex.from_documents`, with its sentence splitter (1024 tokens, 200 of overlap)."""

from collections.abc import Sequence

from llama_index.core import Document as LlamaDocument
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from benchmarks.peers.systems.base import Document, Services


class LlamaIndex:
    def __init__(self, services: Services) -> None:
        self._embedding = OpenAILikeEmbedding(
            model_name=services.embedding_model, api_base=services.embedding_url, api_key=services.embedding_key
        )
        client = QdrantClient(url=services.qdrant_url, api_key=services.qdrant_key)
        self._store = QdrantVectorStore(collection_name=services.collection, client=client)

    def index(self, documents: Sequence[Document]) -> None:
        # The metadata is for the filter; by default it would be embedded with the text.
        excluded = ["id", "language"]
        nodes = [
            LlamaDocument(
                text=document.text,
                metadata={"id": document.id, "language": document.language},
                excluded_embed_metadata_keys=excluded,
            )
            for document in documents
        ]
        storage = StorageContext.from_defaults(vector_store=self._store)
        self._index = VectorStoreIndex.from_documents(nodes, storage_context=storage, embed_model=self._embedding)

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        filters = MetadataFilters(filters=[MetadataFilter(key="language", value=language)]) if language else None
        found = self._index.as_retriever(similarity_top_k=limit, filters=filters).retrieve(question)
        return [node.metadata["id"] for node in found]
