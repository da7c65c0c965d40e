"""Bytes to text, whatever encoding they were saved in."""

import codecs

import chardet

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the one of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ESCAPE = b"\x1b"  # ISO-2022 encodings are 7-bit: valid UTF-8 with the wrong meaning
# Read as UTF-8, text in another encoding is nearly all errors; double bytes of Chinese or Korean pass by chance
# at most one time in five.
_GOOD_PER_BAD = 3
# Random bytes are control characters to about 11 %; text in any encoding has hardly any.
_MAX_CONTROL_SHARE = 0.05
_CONTROLS = frozenset(chr(c) for c in range(32) if chr(c) not in "\t\n\v\f\r\x1b")


def decode(data: bytes) -> str | None:
    """Decode text: byte order mark, then UTF-8, then the detector.

    A file that is UTF-8 but for a few damaged bytes is read as UTF-8. The detector honours an encoding
    declared in HTML and answers with the superset that browsers use (GB18030 for GB2312).

    Returns:
        The text, undecodable bytes as U+FFFD, or None where the bytes are no text.
    """
    encoding = _declared_by_mark(data)
    if encoding is not None:
        text = data.decode(encoding, "replace")
    elif (utf_8 := _as_utf_8(data)) is not None:
        text = utf_8
    else:
        detected = chardet.detect(data, prefer_superset=True, compat_names=False)["encoding"]
        if detected is None:
            return None
        text = data.decode(detected, "replace")
    controls = sum(text.count(control) for control in _CONTROLS)
    return None if controls > _MAX_CONTROL_SHARE * len(text) else text


def _declared_by_mark(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)


def _as_utf_8(data: bytes) -> str | None:
    if _ESCAPE in data or b"\0" in data:
        return None
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return text if bad * _GOOD_PER_BAD <= good else None
