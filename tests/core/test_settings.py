from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError
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


@pytest.mark.parametrize(
    "url",
    [
        "h:8123/d",
        "tcp://u:secret@h/d",
        "http://",
        "http://u:secret@h:port/d",
        "http://u:secret@h/d?x=secret",
        "http://u:secret@h/a-b",
        "http://u:secret@h/a/b",
        "http://[::1/d",
    ],
)
def test_another_url_of_clickhouse_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(
        ValidationError, match=r"clickhouse_url\n.* should look like http://"
    ) as caught:
        Settings(_env_file=None, clickhouse_url=SecretStr(url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["h:8081", "tcp://u:secret@h", "http://", "http://u:secret@h:port", "http://h,secret"]
)
def test_another_url_of_the_registry_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(ValidationError, match=r"schema_registry_url\n.* should look") as caught:
        Settings(_env_file=None, schema_registry_url=url)
    assert "secret" not in str(caught.value)


def test_several_registries_may_be_named() -> None:
    urls = "http://u:p@one:8081/path, https://two"
    assert Settings(_env_file=None, schema_registry_url=urls).schema_registry_url == urls


def test_a_file_of_authorities_that_is_missing_or_has_none_is_named(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ValidationError, match=rf"https_ca_file\n.*{missing}: No such file"):
        Settings(_env_file=None, https_ca_file=str(missing))
    with pytest.raises(ValidationError, match=rf"https_ca_file\n.*{empty}: no certificates in PEM"):
        Settings(_env_file=None, https_ca_file=str(empty))
    with pytest.raises(ValidationError, match=rf"https_ca_file\n.*{tmp_path}: "):
        Settings(_env_file=None, https_ca_file=str(tmp_path))
    assert Settings(_env_file=None, https_ca_file="").https_ca_file == ""


def test_fields_that_name_variants_are_a_short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(_env_file=None).variant_fields == ("variant",)
    monkeypatch.setenv("CLICKSTREAM_VARIANT_FIELDS", "variant, ui_variant")
    assert Settings(_env_file=None).variant_fields == ("variant", "ui_variant")
    monkeypatch.setenv("CLICKSTREAM_VARIANT_FIELDS", ",".join("abcdefghi"))
    with pytest.raises(ValidationError, match="at most 8"):
        Settings(_env_file=None)


@pytest.mark.parametrize(
    "paths",
    [
        "device",
        "search_meta",
        "search_meta.",
        "search_meta..x",
        "meta.x",
        "search_meta.a.b.c.d.e",
        "search_meta.x y",
        "search_meta.x,search_meta.x",
        ",".join(f"search_meta.k{n}" for n in range(17)),
    ],
)
def test_dimensions_are_paths_of_searches(monkeypatch: pytest.MonkeyPatch, paths: str) -> None:
    monkeypatch.setenv("CLICKSTREAM_DIMENSIONS", paths)
    with pytest.raises(ValidationError, match="dimensions"):
        Settings(_env_file=None)


@pytest.mark.parametrize(
    "path", ["results.meta.source", "meta.source", "search_result.meta.source"]
)
def test_who_means_the_meta_of_results_is_told_its_name(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CLICKSTREAM_DIMENSIONS", path)
    with pytest.raises(ValidationError, match="mean search_results"):
        Settings(_env_file=None)


def test_what_is_declared_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_DIMENSIONS", "search_meta.device, search_results.meta.shop.id")
    monkeypatch.setenv("CLICKSTREAM_EVENT_VALUE", "meta.price.amount")
    settings = Settings(_env_file=None)
    assert settings.dimensions == ("search_meta.device", "search_results.meta.shop.id")
    assert settings.event_value == "meta.price.amount"
    monkeypatch.setenv("CLICKSTREAM_EVENT_VALUE", "search_meta.amount")
    with pytest.raises(ValidationError, match="event_value"):
        Settings(_env_file=None)
