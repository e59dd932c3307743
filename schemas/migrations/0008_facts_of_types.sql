-- nodes: LOCAL
-- Facts of event types other than click in rows of their own, in place of maps: a map costs ten times
-- as much to read, and as much to build for the days that are computed at every read. Sessions and
-- their events are brought together by one grouping in place of a join.

-- Facts that were kept count no more: those of the types are missing. They are computed anew.
ALTER TABLE settled_days DROP PARTITION tuple();

CREATE TABLE IF NOT EXISTS session_type_facts
(
    session_day Date COMMENT 'Partition of the session' CODEC(ZSTD(1)),
    build UInt64 COMMENT 'As in session_facts: complete when settled_days names it' CODEC(ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'Any but click, which has columns in session_facts' CODEC(ZSTD(1)),
    session_key UInt128 COMMENT 'sipHash128 of session_id' CODEC(NONE),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened' CODEC(T64, ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    impressions UInt32 COMMENT 'Results shown' CODEC(T64, ZSTD(1)),
    events UInt32 COMMENT 'Events of the type' CODEC(T64, ZSTD(1)),
    position UInt16 COMMENT 'Smallest position of such an event; 0: none' CODEC(T64, ZSTD(1)),
    places UInt64 COMMENT 'Bit n - 1 is set when one was at position n; positions 1 to 64' CODEC(T64, ZSTD(1)),
    deep Array(UInt16) COMMENT 'Their positions beyond 64' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (session_day, build)
ORDER BY (event_type, search_query)
COMMENT 'What came of each session of a settled day, by type of event. A session without such events has no row';

CREATE OR REPLACE VIEW session_facts_computed
AS SELECT
    session_day,
    session_id,
    reinterpretAsUInt128(sipHash128(session_id)) AS session_key,
    anyIf(session_created_at, is_session) AS created_at,
    anyIf(query, is_session) AS search_query,
    anyIf(user, is_session) AS user_id,
    if(isNull(user_id), toUInt128(0), reinterpretAsUInt128(sipHash128(assumeNotNull(user_id)))) AS user_key,
    toUInt32(sum(shown)) AS impressions,
    toUInt32(countIf(NOT is_session)) AS events,
    toUInt32(countIf(NOT is_session AND place = 0)) AS unlisted_events,
    toUInt32(countIf(is_click)) AS clicks,
    minIf(place, is_click AND place > 0) AS clicked_position,
    groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(place - 1)), is_click AND place BETWEEN 1 AND 64) AS clicked_places,
    groupUniqArrayIf(place, is_click AND place > 64) AS clicked_deep
FROM
(
    SELECT
        session_day, session_id, true AS is_session, created_at AS session_created_at, search_query AS query,
        user_id AS user, toUInt32(length(search_results.object_id)) AS shown,
        toUInt16(0) AS place, false AS is_click
    FROM sessions FINAL
    UNION ALL
    SELECT
        session_day, session_id, false AS is_session, toDateTime64(0, 3, 'UTC') AS session_created_at, '' AS query,
        NULL AS user, toUInt32(0) AS shown,
        position AS place, event_type = 'click' AS is_click
    FROM events FINAL
)
GROUP BY session_day, session_id
HAVING countIf(is_session) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The facts of every session, computed now. Read session_facts_now';

CREATE OR REPLACE VIEW session_type_facts_computed
AS SELECT
    acted.session_day AS session_day,
    acted.event_type AS event_type,
    reinterpretAsUInt128(sipHash128(acted.session_id)) AS session_key,
    searched.created_at AS created_at,
    searched.search_query AS search_query,
    searched.impressions AS impressions,
    acted.events AS events,
    acted.position AS position,
    acted.places AS places,
    acted.deep AS deep
FROM
(
    SELECT
        session_day,
        session_id,
        event_type,
        toUInt32(count()) AS events,
        minIf(place, place > 0) AS position,
        groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(place - 1)), place BETWEEN 1 AND 64) AS places,
        groupUniqArrayIf(place, place > 64) AS deep
    FROM (SELECT session_day, session_id, event_type, position AS place FROM events FINAL WHERE event_type != 'click')
    GROUP BY session_day, session_id, event_type
) AS acted
INNER JOIN
(
    SELECT
        session_day, session_id, created_at, search_query,
        toUInt32(length(search_results.object_id)) AS impressions
    FROM sessions FINAL
) AS searched USING (session_day, session_id)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The rows of session_type_facts of every day, computed now';

CREATE OR REPLACE VIEW session_facts_now
AS
-- ClickHouse evaluates the same scalar once per query, so that both halves agree on which is whose
-- although days change meanwhile: no session is read twice or not at all.
WITH (SELECT groupArray((session_day, build)) FROM settled_builds) AS settled
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM session_facts
WHERE build IN (SELECT arrayJoin(arrayMap(each -> each.2, settled)))
UNION ALL
WITH (SELECT groupArray((session_day, build)) FROM settled_builds) AS settled
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM session_facts_computed
WHERE session_day NOT IN (SELECT arrayJoin(arrayMap(each -> each.1, settled)))
COMMENT 'The facts of every session, marked or not: kept ones of settled days, computed ones of the others';

CREATE OR REPLACE VIEW relevant_session_facts
AS SELECT *
FROM session_facts_now
WHERE session_key NOT IN
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
COMMENT 'The facts of the sessions that count';

-- As in 0006, but for lists of more than 64 results: both sides of an `if` are evaluated for every
-- row, so no bit may be asked for that is not there.
CREATE OR REPLACE VIEW analytics_positions
(
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    position UInt16 COMMENT '1-based place in the list',
    impressions UInt64 COMMENT 'Results shown there',
    clicked_impressions UInt64 COMMENT 'Of these, how many were clicked at least once',
    click_through_rate Float64 COMMENT 'clicked_impressions / impressions'
)
AS SELECT
    session_day,
    toUInt16(place) AS position,
    sum(lists) AS impressions,
    sum(if(place > 64, countEqual(deep, place), if(bitTest(places, least(place, 64) - 1), lists, 0)))
        AS clicked_impressions,
    clicked_impressions / impressions AS click_through_rate
FROM
(
    -- Lists of one length that were clicked at the same places count together.
    SELECT
        session_day,
        facts.impressions AS listed,
        clicked_places AS places,
        count() AS lists,
        groupArrayArray(clicked_deep) AS deep
    FROM relevant_session_facts AS facts
    GROUP BY session_day, listed, places
)
-- A list of n results is one impression at each of the places 1 to n.
ARRAY JOIN range(1, listed + 1) AS place
GROUP BY session_day, position
COMMENT 'How often each place of the list was shown and clicked, by day';

ALTER TABLE session_facts
    DROP COLUMN IF EXISTS events_of,
    DROP COLUMN IF EXISTS position_of,
    DROP COLUMN IF EXISTS places_of,
    DROP COLUMN IF EXISTS deep_of;
