"""A real server of S3's protocol, in this process, on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow.fs as fs
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from core.settings import ReleaseSettings

_KEY, _SECRET = "key", "s3cret"


@contextmanager
def s3_releases(**more: int) -> Iterator[ReleaseSettings]:
    """The settings of releases in a bucket of it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        client = fs.S3FileSystem(
            access_key=_KEY,
            secret_key=_SECRET,
            scheme="http",
            endpoint_override=f"127.0.0.1:{port}",
            region="eu-central-1",
            allow_bucket_creation=True,
        )
        # The server's buckets outlive it in this process.
        bucket = f"data-{uuid.uuid4().hex}"
        client.create_dir(bucket)
        yield ReleaseSettings(
            uri=f"s3://{bucket}/shop/releases?endpoint_override=127.0.0.1:{port}&scheme=http"
            "&region=eu-central-1",
            s3_access_key_id=_KEY,
            s3_secret_access_key=SecretStr(_SECRET),
            **more,
        )
    finally:
        server.stop()
