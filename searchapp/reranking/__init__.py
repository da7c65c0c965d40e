"""Question and passages in, scores of a reranker out: an extra that may be too slow or missing."""

from searchapp.reranking.client import Reranker, RerankFailedError

__all__ = ["RerankFailedError", "Reranker"]
