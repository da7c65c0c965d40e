"""What a local model is called; apart from the models, since who starts the server need not load them."""

from pathlib import PurePath


def served_name(folder_or_name: str) -> str:
    """Return the name a model is served under: the last part of its folder or hub name, without revision."""
    return PurePath(folder_or_name).name.partition("@")[0]
