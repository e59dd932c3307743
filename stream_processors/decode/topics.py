"""Decodes the batches of one flush, each by the decoder of its topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from core.retrying import Retry
from stream_processors.consume.batches import FetchedBatch
from stream_processors.decode.batch import BatchDecoder, Decoded

DecodedTopics = Mapping[str, Decoded]
"""What was decoded of one flush, by topic; only topics that have a batch."""


class TopicDecoders:
    """One decoder for each topic. For one thread."""

    def __init__(self, decoders: Mapping[str, BatchDecoder], retry: Retry) -> None:
        self._decoders = decoders
        self._retry = retry

    def decode(self, batches: Sequence[FetchedBatch]) -> DecodedTopics:
        """Blocks while the registry is away; raises only what `retry` gives up on."""
        by_topic: dict[str, list[FetchedBatch]] = {}
        for batch in batches:
            by_topic.setdefault(batch.source.topic, []).append(batch)
        return {
            topic: self._retry(partial(self._decoders[topic].decode, of_topic))
            for topic, of_topic in by_topic.items()
        }
