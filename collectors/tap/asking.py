"""Asks Dynamo, in a client's request, who serves it: `nvext.extra_fields` (BACKENDS: each chunk then names prefill and decode worker, the last one its times).

Pure. Nothing else of a body is changed, not a byte; one that has an `nvext` of its own, or is no JSON object, stays as it is.
"""

from typing import Final

import msgspec

FIELDS: Final = b'"nvext":{"extra_fields":["worker_id","timing"]}'
MAX_BODY: Final = 16 << 20
"""Bytes of a body that is held to be changed; a longer one goes through as it comes."""


class _Asks(msgspec.Struct):
    nvext: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(_Asks)


def asked(body: bytes) -> bytes:
    """The body with the question in it."""
    try:
        known = _DECODER.decode(body).nvext
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if known is not msgspec.UNSET:
        return body
    begin = body.index(b"{") + 1  # before it there is nothing but white space
    empty = body[begin:].lstrip().startswith(b"}")
    return body[:begin] + FIELDS + (b"" if empty else b",") + body[begin:]
