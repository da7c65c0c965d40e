"""All collections and aliases under one data folder."""

import fcntl
import json
import re
import shutil
import threading
from pathlib import Path
from types import TracebackType

from .collection import VectorCollection
from .errors import ConflictError, DataDirError, EngineError, NotFoundError, RequestError
from .fields import Fields
from .files import sync_folder, write_atomically

# A collection's name is the name of its folder: no separators, no leading dot, no surprises.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")


class VectorStore:
    """Own a data folder: exactly one process at a time, collections by name or alias.

    Args:
        folder: the data folder, made if it is missing.

    Raises:
        DataDirError: another process uses the folder, or something in it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._collections_folder = folder / "collections"
        self._aliases_file = folder / "aliases.json"
        self._collections: dict[str, VectorCollection] = {}
        # Held while collections or aliases change. Readers take none: they look up one name in a dict.
        self._changing = threading.Lock()
        try:
            self._collections_folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = (folder / "lock").open("w")
        except OSError as exc:
            raise DataDirError("data_dir_unusable", f"The data folder {folder} cannot be used: {exc}") from exc
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open_collections()
            self._aliases = self._load_aliases()
        except BlockingIOError as exc:
            self._lock_file.close()
            raise DataDirError(
                "data_dir_locked", f"Another process already uses the data folder {folder}; stop it first."
            ) from exc
        except (OSError, ValueError, RequestError, EngineError) as exc:
            self.close()
            raise DataDirError("data_dir_damaged", f"The data folder {folder} cannot be read: {exc}") from exc

    def __enter__(self) -> "VectorStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush and close every collection, then free the folder for the next process."""
        with self._changing:
            try:
                for collection in self._collections.values():
                    collection.close()
            finally:
                self._lock_file.close()

    def names(self) -> list[str]:
        """Return the names of all collections."""
        return sorted(self._collections)

    def has(self, name: str) -> bool:
        """Tell whether a collection or an alias has this name."""
        return self._aliases.get(name, name) in self._collections

    def get(self, name: str) -> VectorCollection:
        """Find a collection by its name or an alias.

        Raises:
            NotFoundError: there is none.
        """
        collection = self._collections.get(self._aliases.get(name, name))
        if collection is None:
            raise NotFoundError("collection_not_found", f"Not found: Collection `{name}` doesn't exist!")
        return collection

    def create(self, name: str, body: object) -> None:
        """Create a collection.

        Raises:
            RequestError: the name or the body is wrong.
            ConflictError: a collection or an alias has this name already.
        """
        _require_name(name)
        with self._changing:
            if name in self._collections or name in self._aliases:
                raise ConflictError("exists", f"Wrong input: Collection `{name}` already exists!")
            collection = VectorCollection.create(self._collections_folder / name, body)
            sync_folder(self._collections_folder)
            self._collections = {**self._collections, name: collection}

    def delete(self, name: str) -> bool:
        """Delete a collection and its aliases; return whether there was one."""
        with self._changing:
            if name not in self._collections:
                return False
            self._save_aliases({alias: of for alias, of in self._aliases.items() if of != name})
            collection = self._collections[name]
            self._collections = {key: value for key, value in self._collections.items() if key != name}
            collection.delete()
            return True

    def aliases(self, name: str | None = None) -> list[dict[str, str]]:
        """Return all aliases, or those of one collection."""
        target = None if name is None else self._aliases.get(name, name)
        return [
            {"alias_name": alias, "collection_name": of}
            for alias, of in sorted(self._aliases.items())
            if target in (None, of)
        ]

    def change_aliases(self, body: object) -> None:
        """Apply a list of alias actions, all of them or, after an error, none.

        Raises:
            NotFoundError: an action names a collection or alias that does not exist.
            ConflictError: an alias would hide a collection.
        """
        with Fields(body, "alias request") as fields:
            actions = fields.required("actions", list)
        with self._changing:
            aliases = dict(self._aliases)
            for action in actions:
                self._apply(action, aliases)
            self._save_aliases(aliases)

    def _apply(self, action: object, aliases: dict[str, str]) -> None:
        with Fields(action, "alias action") as fields:
            if "create_alias" in fields:
                with Fields(fields.required("create_alias", dict), "create_alias") as names:
                    alias, of = names.required("alias_name", str), names.required("collection_name", str)
                self._require_collection(of)
                self._require_free(alias)
                aliases[alias] = of
            elif "rename_alias" in fields:
                with Fields(fields.required("rename_alias", dict), "rename_alias") as names:
                    old, new = names.required("old_alias_name", str), names.required("new_alias_name", str)
                self._require_free(new)
                aliases[new] = _pop_alias(aliases, old)
            else:
                with Fields(fields.required("delete_alias", dict), "delete_alias") as names:
                    _pop_alias(aliases, names.required("alias_name", str))

    def _require_collection(self, name: str) -> None:
        if name not in self._collections:
            raise NotFoundError("collection_not_found", f"Not found: Collection `{name}` doesn't exist!")

    def _require_free(self, alias: str) -> None:
        _require_name(alias)
        if alias in self._collections:
            raise ConflictError("exists", f"Wrong input: Collection `{alias}` already exists!")

    def _open_collections(self) -> None:
        for folder in sorted(self._collections_folder.iterdir()):
            if VectorCollection.is_complete(folder):
                self._collections[folder.name] = VectorCollection.open(folder)
            else:
                shutil.rmtree(folder)

    def _load_aliases(self) -> dict[str, str]:
        if not self._aliases_file.exists():
            return {}
        aliases = json.loads(self._aliases_file.read_text(encoding="utf-8"))
        return {str(alias): str(of) for alias, of in aliases.items()}

    def _save_aliases(self, aliases: dict[str, str]) -> None:
        write_atomically(self._aliases_file, json.dumps(aliases, indent=1))
        self._aliases = aliases


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise RequestError(
            "wrong_name",
            "Validation error: a name has at most 255 letters, digits, `_`, `-` and `.`, and starts with no dot",
        )


def _pop_alias(aliases: dict[str, str], alias: str) -> str:
    if alias not in aliases:
        raise NotFoundError("alias_not_found", f"Not found: Alias `{alias}` does not exist!")
    return aliases.pop(alias)
