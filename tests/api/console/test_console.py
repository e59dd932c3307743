"""The page in a browser, on real processes with real data: what it shows is what the API and SQL
say, and what is clicked on it is done."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from core.clickhouse.client import connect
from tests.api.console.conftest import READ_KEY

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from tests.api.console.conftest import OpenPage, Systems

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

RANGE = "range=90d&tz=UTC"
VIEWS = {
    "overview": "",
    "lists": "view=queries&list=top&",
    "query": "view=query&q=printer&",
    "sessions": "view=sessions&",
    "experiments": "view=experiments&",
    "pipeline": "view=pipeline&",
}
# What the overview asks.
ASKED = (
    *("overview", "query", "series", "positions", "queries", "objects", "next_queries"),
    "metrics",
)
LONG_AGO = {"from": "2000-01-01", "to": "2200-01-01"}


def tile(page: Page, metric: str) -> Locator:
    return page.locator(f"[data-metric={metric}]")


def overview(systems: Systems, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = systems.open.get("/analytics/overview", **LONG_AGO, **more).json()
    return found


def test_the_numbers_are_those_of_the_api_and_of_sql(open_page: OpenPage, systems: Systems) -> None:
    page = open_page(f"/?{RANGE}").page
    told = overview(systems)
    with connect(systems.open.settings, role="test") as sql:
        (row,) = sql.query(
            "SELECT sum(sessions), sum(sessions_with_click), sum(zero_result_sessions)"
            " FROM session_measures(from_ms = 0, to_ms = 5000000000000,"
            " relevance = 'exclude', event_type = 'click')"
        ).result_rows
        (bought,) = sql.query(
            "SELECT sum(sessions_with_click) FROM session_measures(from_ms = 0,"
            " to_ms = 5000000000000, relevance = 'exclude', event_type = 'purchase')"
        ).result_rows
    assert row == (told["sessions"], told["sessions_with_click"], told["zero_result_sessions"])
    expect(tile(page, "sessions").locator(".value")).to_have_text(f"{told['sessions']:,}")
    expect(tile(page, "users").locator(".value")).to_have_text(f"{told['users']:,}")
    for metric, numerator in (
        ("session_ctr", "sessions_with_click"),
        ("zero_result_rate", "zero_result_sessions"),
    ):
        expect(tile(page, metric).locator(".value")).to_have_text(f"{100 * told[metric]:.1f} %")
        made = f"{told[numerator]:,} of {told['sessions']:,}"
        expect(tile(page, metric).locator(".made").first).to_have_text(made)
    made = f"{bought[0]:,} of {told['sessions']:,}"
    expect(tile(page, "conversion_rate").locator(".made").first).to_have_text(made)
    intents = systems.open.get("/analytics/query", metric="intents").json()["rows"][0]["intents"]
    expect(tile(page, "sessions").locator(".made").first).to_have_text(f"{intents:,} typing runs")
    expect(page.locator("#fresh")).to_contain_text("as of")


def test_a_work_list_leads_to_its_query_and_back(open_page: OpenPage, systems: Systems) -> None:
    watched = open_page(f"/?{RANGE}")
    page = watched.page
    panel = page.get_by_role("region", name="No result", exact=True)
    first = panel.locator("tbody a").first
    text = first.inner_text()
    first.click()
    watched.settled()
    expect(page.get_by_role("heading", level=1)).to_have_text(text)
    told = overview(systems, query=text)
    assert told["zero_result_sessions"] > 0
    expect(tile(page, "sessions").locator(".value")).to_have_text(f"{told['sessions']:,}")
    found = systems.open.get("/analytics/next_queries", query=text).json()["queries"]
    after = page.get_by_role("region", name="Searched next")
    expect(after.locator("tbody a").first).to_have_text(found[0]["next_query"])
    assert "range=90d" in page.url
    page.go_back()
    watched.settled()
    expect(tile(page, "sessions").locator(".value")).to_have_text(
        f"{overview(systems)['sessions']:,}"
    )


def test_what_people_do_after_a_failed_query(systems: Systems) -> None:
    """Pairs are of the same user, in time, and each search has one next."""
    pairs = systems.open.get("/analytics/next_queries", limit=1000).json()["queries"]
    corrected = next(pair for pair in pairs if pair["search_query"] == "printre")
    assert corrected["next_query"] == "printer"
    assert corrected["zero_result_sessions"] == corrected["sessions"]
    assert corrected["reformulated_sessions"] == corrected["sessions"]
    soon = systems.open.get("/analytics/next_queries", within_seconds=1, limit=1000).json()
    total = sum(pair["sessions"] for pair in soon["queries"])
    assert total < sum(pair["sessions"] for pair in pairs)


def test_marking_a_session_moves_every_number_on_the_page(
    open_page: OpenPage, systems: Systems
) -> None:
    page = open_page(f"/?view=query&q=printer&{RANGE}").page
    before = overview(systems, query="printer")["sessions"]
    value = tile(page, "sessions").locator(".value")
    expect(value).to_have_text(f"{before:,}")
    rows = page.get_by_role("table", name="Sessions").locator("tbody tr")
    rows.filter(has_text="Mark irrelevant").first.get_by_role("button").click()
    expect(value).to_have_text(f"{before - 1:,}")
    expect(page.locator("tr.irrelevant").first).to_be_visible()
    assert overview(systems, query="printer")["sessions"] == before - 1
    again = page.locator("tr.irrelevant").first.get_by_role("button", name=re.compile("^Count"))
    again.click()
    expect(value).to_have_text(f"{before:,}")


def test_a_session_shows_its_list_with_what_was_clicked_and_where_an_event_is(
    open_page: OpenPage, systems: Systems
) -> None:
    watched = open_page(f"/?view=sessions&outcome=click&{RANGE}")
    page = watched.page
    page.locator("tbody tr a").first.click()
    watched.settled()
    session_id = page.locator(".facts code").inner_text()
    stored = systems.open.get_session(session_id)
    expect(page.get_by_role("heading", level=1)).to_have_text(stored["search_query"])
    rows = page.get_by_role("table", name="The list that was shown").locator("tbody tr")
    expect(rows).to_have_count(len(stored["search_results"]))
    click = next(event for event in stored["events"] if event["position"])
    expect(rows.nth(click["position"] - 1)).to_contain_text(f"{click['event_type']} ")
    page.get_by_label("Event id").fill(click["event_id"])
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".found")).to_contain_text("Joined")
    page.get_by_label("Session id of the event").fill("lost")
    page.get_by_label("Event id").fill("e1")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".found")).to_contain_text("Waiting for its session")


WHY = 'No search with session_id "lost" has been posted; the event waits until one is.'


def test_an_event_that_does_not_count_says_why_by_its_event_id_alone(open_page: OpenPage) -> None:
    page = open_page(f"/?view=sessions&{RANGE}").page
    page.get_by_label("Event id").fill("e1")
    page.get_by_role("button", name="Look up").click()
    found = page.locator(".found")
    expect(found).to_contain_text(f"Waiting for its session. {WHY} The event is a click on a")
    page.get_by_label("Event id").fill("never-sent")
    page.get_by_role("button", name="Look up").click()
    expect(found).to_contain_text("Not found")

    page = open_page(f"/?view=pipeline&{RANGE}").page
    row = page.get_by_role("region", name="Waiting events").locator("tbody tr", has_text="e1")
    expect(row).to_contain_text("lost")
    expect(row).to_contain_text(WHY)


@pytest.mark.parametrize("view", ["experiments", "pipeline", "sessions", "lists"])
def test_where_it_is_narrow_no_column_is_cut_and_the_numbers_begin_high(
    open_page: OpenPage, view: str
) -> None:
    page = open_page(f"/?{VIEWS[view]}{RANGE}", viewport={"width": 400, "height": 900}).page
    expect(page.locator(".panel.whole tbody tr").first).to_be_visible()
    cut = "each => each.scrollWidth > each.clientWidth + 1 ? [each.textContent] : []"
    assert page.evaluate(f"[...document.querySelectorAll('.scroll')].flatMap({cut})") == []
    header = page.locator("#top").bounding_box()
    assert header is not None
    assert header["height"] <= 130
    assert not page.get_by_label("Filter by").is_visible()
    page.get_by_role("button", name=re.compile("^90 days")).click()
    expect(page.get_by_label("Filter by")).to_be_visible()


def test_the_address_has_the_whole_state(open_page: OpenPage, systems: Systems) -> None:
    watched = open_page(f"/?{RANGE}")
    page = watched.page
    page.get_by_label("Filter by").select_option("search_meta.device")
    page.get_by_label("Value of the filter").fill("mobile")
    page.keyboard.press("Enter")
    watched.settled()
    told = systems.open.get(
        "/analytics/overview", **{**LONG_AGO, "search_meta.device": "mobile"}
    ).json()
    value = tile(page, "sessions").locator(".value")
    expect(value).to_have_text(f"{told['sessions']:,}")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    tile(page, "no_click_rate").click()
    page.get_by_role("checkbox").uncheck()
    watched.settled()
    address = page.url.partition("?")[2]
    for part in ("search_meta.device=mobile", "tz=Asia%2FTokyo", "metric=no_click_rate"):
        assert part in address
    assert "compare=none" in address
    shared = open_page(f"/?{address}").page
    expect(tile(shared, "sessions").locator(".value")).to_have_text(f"{told['sessions']:,}")
    expect(shared.get_by_role("heading", name="No click over time")).to_be_visible()
    shared.get_by_role("button", name="Remove the filter search_meta.device").click()
    expect(tile(shared, "sessions").locator(".value")).to_have_text(
        f"{overview(systems)['sessions']:,}"
    )


def test_a_chart_is_also_a_table_a_file_and_read_by_keys(
    open_page: OpenPage, systems: Systems
) -> None:
    page = open_page(f"/?{RANGE}").page
    panel = page.locator("section", has=page.get_by_role("heading", name="Searches over time"))
    panel.get_by_role("button", name="Searches as a table").click()
    shown = panel.locator("tbody tr td:last-child").all_inner_texts()
    counted = sum(int(text.replace(",", "")) for text in shown)
    assert counted == overview(systems)["sessions"]
    panel.locator(".plot").focus()
    last = panel.locator(".readout").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(panel.locator(".readout")).not_to_have_text(last)
    with page.expect_download() as saved:
        page.get_by_role("button", name="No result as CSV").click()
    lines = saved.value.path().read_text("utf-8").splitlines()
    told = systems.open.get("/analytics/queries", list="no_result", limit=1000).json()["queries"]
    assert lines[0].startswith("search_query,")
    assert len(lines) == 1 + len(told)


def test_a_list_is_saved_whole_page_after_page(open_page: OpenPage, systems: Systems) -> None:
    page = open_page(f"/?view=queries&list=top&{RANGE}").page
    asked: list[str] = []

    def in_small_pages(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace("limit=1000", "limit=5"))

    page.route(re.compile("format=csv"), in_small_pages)
    with page.expect_download() as saved:
        page.get_by_role("button", name="All queries as CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8").splitlines()))
    told = systems.open.get("/analytics/queries", limit=1000).json()["queries"]
    assert [row["search_query"] for row in rows] == [row["search_query"] for row in told]
    assert len(asked) == -(-len(told) // 5) > 2


def test_an_experiment_is_judged_and_the_pipeline_told(
    open_page: OpenPage, systems: Systems
) -> None:
    page = open_page(f"/?view=experiments&{RANGE}").page
    told = systems.open.get("/analytics/experiment", **LONG_AGO).json()
    assert told["control"] == "control"
    expect(page.get_by_role("heading", name="treatment against control")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("^Session CTR"))
    treated = next(
        each
        for each in told["metrics"]
        if (each["metric"], each["variant"]) == ("session_ctr", "treatment")
    )
    expect(row).to_contain_text(f"{100 * treated['value']:.1f} %")
    verdict = "better|worse" if treated["is_significant"] else "not decided"
    expect(row).to_contain_text(re.compile(f"({verdict}): "))
    teams = systems.open.get("/analytics/interleaving", **LONG_AGO).json()
    assert teams["control"] == "bm25"
    expect(page.get_by_role("region", name="Interleaving")).to_contain_text("hybrid")

    page = open_page(f"/?view=pipeline&{RANGE}").page
    told = systems.open.get("/analytics/pipeline").json()
    assert (told["records_behind"], told["workers"], told["dead_letters"]) == (0, 1, [])
    health = page.get_by_role("region", name="Health of the instrumentation")
    expect(health).to_contain_text(re.compile("Nothing odd in this range|What to do"))
    status = page.get_by_role("region", name="State of the pipeline")
    expect(status).to_contain_text("ready")
    expect(status).to_contain_text("Is it late?no")
    expect(status).to_contain_text("Waiting events1")


def test_when_one_server_is_away_the_rest_is_told(open_page: OpenPage) -> None:
    watched = open_page(f"/?view=pipeline&{RANGE}", expected={(503, "/analytics/pipeline")})
    page = watched.page
    away = {"title": "Kafka does not answer", "detail": "Kafka does not answer", "status": 503}
    page.route("**/analytics/pipeline*", lambda route: route.fulfill(status=503, json=away))
    page.get_by_role("button", name="Refresh").click()
    status = page.get_by_role("region", name="State of the pipeline")
    expect(status).to_contain_text("Kafka does not answer (503)")
    expect(status).to_contain_text("Waiting events1")


@pytest.mark.parametrize("view", ["experiments", "pipeline"])
def test_a_view_that_leaves_out_the_filters_says_so(open_page: OpenPage, view: str) -> None:
    note = "The filters are not applied here"
    expect(open_page(f"/?view={view}&query=x&{RANGE}").page.get_by_text(note)).to_be_visible()
    expect(open_page(f"/?view={view}&{RANGE}").page.get_by_text(note)).to_have_count(0)


def test_a_question_that_came_too_early_is_asked_again(open_page: OpenPage) -> None:
    watched = open_page(f"/?view=experiments&{RANGE}", expected={(503, "/analytics/experiment")})
    page = watched.page
    behind = {"type": "urn:x:sink-behind", "title": "The sink has not caught up yet", "status": 503}
    page.route(
        "**/analytics/experiment*", lambda route: route.fulfill(status=503, json=behind), times=1
    )
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("What was just sent is not all stored yet")).to_be_visible()
    expect(page.get_by_text("What was just sent is not all stored yet")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_live_tail_shows_what_comes(open_page: OpenPage, systems: Systems) -> None:
    page = open_page(f"/?view=pipeline&{RANGE}").page
    page.get_by_role("button", name="Watch").click()
    tail = page.get_by_role("group", name="Records, the latest first")
    expect(tail).to_be_visible()
    for number in range(50):
        event = {"event_id": f"t{number}", "object_id": "seen-live", "event_type": "click"}
        systems.open.post("/session/events", {"session_id": "lost", "events": [event]})
        page.wait_for_timeout(200)
        if tail.get_by_text("seen-live").count():
            break
    expect(tail.get_by_text("seen-live").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()


def test_where_keys_are_on_it_asks_for_one_and_keeps_it_out_of_the_address(
    open_page: OpenPage, systems: Systems
) -> None:
    refused = {(401, f"/analytics/{name}") for name in ASKED}
    watched = open_page(
        f"/?{RANGE}", systems.with_keys, expected={*refused, (403, "/session/irrelevant")}
    )
    page = watched.page
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert watched.axe() == []
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button").click()
    expect(dialog).to_contain_text("not known")
    dialog.get_by_label("Key").fill(READ_KEY)
    dialog.get_by_role("button").click()
    expect(tile(page, "sessions").locator(".value")).to_have_text(
        f"{overview(systems)['sessions']:,}"
    )
    assert READ_KEY not in page.url
    assert READ_KEY not in page.evaluate("JSON.stringify(localStorage)")
    page.reload()
    expect(tile(page, "sessions").locator(".value")).to_be_visible()
    page.goto(f"{systems.with_keys}/?view=query&q=printer&{RANGE}")
    page.get_by_role("button", name=re.compile("^Mark irrelevant")).first.click()
    expect(page.get_by_role("alert").first).to_contain_text("This key may not mark")


def test_an_empty_range_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page("/?from=2001-01-01&to=2001-01-31&tz=UTC").page
    expect(page.get_by_role("heading", name="No searches here")).to_be_visible()
    page.get_by_role("link", name="Show 90 days").click()
    expect(tile(page, "sessions")).to_be_visible()


def test_an_error_is_shown_as_what_it_is(open_page: OpenPage) -> None:
    watched = open_page("/?query_regex=(", expected={(422, f"/analytics/{name}") for name in ASKED})
    expect(watched.page.get_by_role("alert").first).to_contain_text("regular expression")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible_and_fits(open_page: OpenPage, view: str) -> None:
    for width, scheme in ((1600, "light"), (400, "dark")):
        watched = open_page(
            f"/?{VIEWS[view]}{RANGE}",
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
        )
        assert watched.axe() == []
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
