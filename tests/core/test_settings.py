from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.settings import HttpSettings, Limits, Settings


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting; those of groups as group.field."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, f"{name}.")
        else:
            yield path + name, field


@pytest.mark.parametrize(("name", "field"), list(fields(Settings)))
def test_every_setting_is_described_by_a_sentence(name: str, field: FieldInfo) -> None:
    description = field.description or ""
    assert len(description) >= 20, name
    assert description[-1] in ".…", name


def test_settings_cannot_be_changed_after_they_are_read() -> None:
    settings = Settings(_env_file=None)
    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "DEBUG"  # type: ignore[misc]  # that it is refused is the point
    with pytest.raises(ValidationError, match="frozen"):
        settings.worker.flush_rows = 1  # type: ignore[misc]  # that it is refused is the point
    with pytest.raises(ValidationError, match="frozen"):
        settings.http.port = 1  # type: ignore[misc]  # that it is refused is the point


def test_the_wait_for_kafka_is_long_enough_for_its_producer_to_report() -> None:
    """Its reports of what is overdue come up to a second late, and it wants one second itself."""
    assert HttpSettings(ack_timeout_seconds=2).ack_timeout_seconds == 2
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        HttpSettings(ack_timeout_seconds=1.9)


def test_a_list_has_no_more_places_than_a_position_can_count() -> None:
    """Stored in 16 bits, place 65,537 would be the first."""
    assert Limits(items=65_535).items == 65_535
    with pytest.raises(ValidationError, match="less than or equal to 65535"):
        Limits(items=65_536)
