"""Find the folder of a model that is named by its folder or by its name on a model hub."""

import logging
import re
from functools import partial
from pathlib import Path

from searchapp.local.embeddings.models.base import ModelError

logger = logging.getLogger(__name__)

# "Qwen/Qwen3-Embedding-0.6B", with a revision behind an @ where it must never change.
_HUB_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
# All that `load_model` reads; weights in other formats, often as large again, stay where they are.
_FILES = ("config.json", "tokenizer.json", "*.safetensors")


def find_model(folder_or_name: str) -> Path:
    """Return the folder of a model; one on a hub is downloaded when it is first asked for.

    What exists as a folder is taken as one. Anything else of the form ``owner/name`` or
    ``owner/name@revision`` is a hub's: files go to the hub library's cache (``HF_HOME``) from the hub
    named by ``HF_ENDPOINT``, and a stopped download goes on where it was. Once there, no network is
    needed.

    Raises:
        ModelError: there is no such folder, no such model, or no hub to be reached.
    """
    folder = Path(folder_or_name).expanduser()
    name = _HUB_NAME.fullmatch(folder_or_name)
    if folder.is_dir() or not name or folder_or_name.startswith((".", "~")):
        return folder.absolute()
    return _download(name["repository"], name["revision"])


def _download(repository: str, revision: str | None) -> Path:
    # Half a second of every start, for what few use.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    download = partial(snapshot_download, repository, revision=revision, allow_patterns=list(_FILES))
    try:
        return Path(download(local_files_only=True))
    except LocalEntryNotFoundError:
        logger.info("downloading %s; Qwen3-Embedding-0.6B has 1.2 GB", repository)
    try:
        return Path(download())
    except RepositoryNotFoundError as exc:
        raise ModelError("model_missing", f"{repository} is neither a folder nor a model on the hub") from exc
    except (OSError, ValueError) as exc:  # ValueError: what the library calls an invalid name
        raise ModelError(
            "model_missing",
            f"{repository} is no folder, and the hub did not give it: {exc}. Without a hub, name the folder of a "
            "downloaded model; with another, set HF_ENDPOINT",
        ) from exc
