"""Ids that somebody may have meant who wrote a slightly different one."""

from __future__ import annotations

import re
from typing import Final

_AROUND: Final = " \t\r\n\"'"
_HEX_32: Final = re.compile(r"[0-9A-Fa-f]{32}")


def similar_ids(session_id: str) -> list[str]:
    """Ids that differ from this one in case alone, in blanks or quotes around it, or in the hyphens
    of a UUID: few, so that all of them can be looked up at once."""
    bare = session_id.strip(_AROUND)
    forms = [bare, *_other_uuid_form(bare)]
    cases = [each for form in forms for each in (form, form.lower(), form.upper())]
    return [each for each in dict.fromkeys(cases) if each and each != session_id]


def _other_uuid_form(text: str) -> list[str]:
    digits = text.replace("-", "")
    if not _HEX_32.fullmatch(digits):
        return []
    if digits != text:
        return [digits]
    return ["-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))]
