"""What schemathesis needs to know of the node's media types: their bodies are bytes."""

from __future__ import annotations

import schemathesis

for media in ("application/vnd.ipld.dag-cbor", "application/vnd.ipld.raw"):

    @schemathesis.serializer(media)
    def serialize(ctx, value):  # noqa: ANN001, ANN201
        return value if isinstance(value, bytes) else str(value).encode()

    @schemathesis.deserializer(media)
    def deserialize(ctx, response):  # noqa: ANN001, ANN201
        return list(response.content)
