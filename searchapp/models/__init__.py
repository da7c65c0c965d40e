"""Everything that is true about the site; the vector index and the broker are derived from it."""

from searchapp.models.access import ApiToken, Membership
from searchapp.models.embedding import EmbeddingCacheEntry, ModelFingerprint, ServiceOutage
from searchapp.models.evaluation import EvaluationBase
from searchapp.models.index import GenerationDocument, IndexGeneration, RecentQuery
from searchapp.models.knowledge import Chunk, Collection, Document, IndexSweep, Tag
from searchapp.models.operations import DoctorReport, Heartbeat

__all__ = [
    "ApiToken",
    "Chunk",
    "Collection",
    "DoctorReport",
    "Document",
    "EmbeddingCacheEntry",
    "EvaluationBase",
    "GenerationDocument",
    "Heartbeat",
    "IndexGeneration",
    "IndexSweep",
    "Membership",
    "ModelFingerprint",
    "RecentQuery",
    "ServiceOutage",
    "Tag",
]
