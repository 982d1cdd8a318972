"""Requests kept with their answers, one JSON file each, to be replayed without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class RawAnswer:
    """One answer as it came.

    Attributes:
        method: HTTP method.
        url: What was asked, with the vendor's own host.
        sent: Body of the request.
        status: HTTP status.
        content_type: Header of the answer, or empty.
        shown_at: `Date` header of the answer, in UTC; None where it has none.
        body: The answer, decompressed.
    """

    method: str
    url: str
    sent: bytes
    status: int
    content_type: str
    shown_at: datetime | None
    body: bytes


def write_recording(folder: Path, answer: RawAnswer) -> Path:
    """Keep one answer; the same request asked again replaces its file.

    The file holds method, host, path, query as pairs, body of the request, status, content type,
    `Date` header, and the body as text, or as base64 where it is not UTF-8.
    """
    asked = urlsplit(answer.url)
    request = {
        "method": answer.method,
        "host": asked.netloc,
        "path": asked.path,
        "query": parse_qsl(asked.query, keep_blank_values=True),
        "sent": answer.sent.decode("utf-8", "replace"),
    }
    shown = answer.shown_at
    record = {
        **request,
        "status": answer.status,
        "content_type": answer.content_type,
        "date": None if shown is None else shown.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        **_body_fields(answer.body),
    }
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{asked.hostname}-{name}.json"
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def _body_fields(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}
