"""A worker judges no record of topics that are not those of its settings."""

from __future__ import annotations

import pytest

from core.errors import SetupError
from core.settings import Settings, TopicSettings
from schemas.topic_admin import TopicIdentity
from stream_processors.process.check_topics import TopicCheck

SETTINGS = Settings(_env_file=None, topics=TopicSettings(partitions=4))


def test_topics_as_the_settings_have_them_pass_also_when_one_is_made_later() -> None:
    check = TopicCheck(SETTINGS)
    check.compare({"events": TopicIdentity("a", 4)})
    check.compare({"events": TopicIdentity("a", 4), "marks": TopicIdentity("b", 4)})
    check.compare({})


def test_another_partition_count_is_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_TOPICS__PARTITIONS=8"):
        TopicCheck(SETTINGS).compare({"events": TopicIdentity("a", 8)})


def test_a_topic_that_was_made_anew_is_refused() -> None:
    check = TopicCheck(SETTINGS)
    check.compare({"events": TopicIdentity("a", 4)})
    with pytest.raises(SetupError, match="events was deleted and made anew"):
        check.compare({"events": TopicIdentity("b", 4)})
