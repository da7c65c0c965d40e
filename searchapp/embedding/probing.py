"""Which weights stand behind a name: told by their vectors of a few fixed texts.

A service may load other weights under the same name, and the same weights under another. A digest of
vectors would not do either: their last bits change with the batch, the graphics card and its driver.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from searchapp.embedding.client import Embedder

# Never change these: every stored probe is compared with them. Several scripts and kinds of text, since weights that
# were trained further on one language move little elsewhere; short, since they are sent often.
PROBE_TEXTS = (
    "How do I reset my password?",
    "The suitcase was lost on the flight from Lisbon to Oslo.",
    "我的行李在转机时丢失了，应该联系谁？",
    "キャンセル料はいつから発生しますか。",
    "Как восстановить удалённый файл из резервной копии?",
    "كيف يمكنني تغيير عنوان الفاتورة؟",
    "for (int i = 0; i < n; ++i) { sum += values[i]; }",
    "kubectl get pods --field-selector=status.phase=Pending",
)
# Rounding a unit vector to bf16 costs its cosine less than 1e-5, and noise of the size that whole runs in bf16 differ
# by (norms 0.9977..1.0011 from SGLang) less than 1e-3; a vector moved by a tenth of its length has 0.995.
SAME_MODEL_COSINE = 0.998


def probe(embedder: "Embedder") -> NDArray[np.float32]:
    """Embed `PROBE_TEXTS` as documents, from the service and no cache.

    Returns:
        ``(len(PROBE_TEXTS), dimensions)`` float32, unit L2 norm.

    Raises:
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `Embedder.embed_documents`.
    """
    return embedder.embed_documents(PROBE_TEXTS)


def is_same_model(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Return whether two probes come from the same weights.

    Args:
        before: ``(n, dimensions)``, unit L2 norm.
        after: likewise, of the same texts.
    """
    if before.shape != after.shape or not before.size:
        return False
    cosines = np.einsum("nd,nd->n", before.astype(np.float64), after.astype(np.float64))
    return bool((cosines >= SAME_MODEL_COSINE).all())
