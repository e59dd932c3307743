-- nodes: LOCAL
-- One row of numbers per session: kept for the days that have come to rest, computed at the moment
-- of reading for the others. docs/decisions/0007-session-facts.md has the argument and the figures.
--
-- The facts of a day are a function of what `sessions` and `events` hold of it. They are kept
-- together with a checksum of exactly those parts, and count only while the parts are the same. An
-- insert, a merge, a deletion or a swap by a replay makes them be passed over. So nothing has to be
-- told to anybody, and no order of arrival can make them wrong.

CREATE TABLE IF NOT EXISTS session_facts
(
    session_day Date COMMENT 'Partition of the session' CODEC(ZSTD(1)),
    build UInt64 COMMENT 'The computation it belongs to; settled_days names those that are complete' CODEC(ZSTD(1)),
    session_id String COMMENT 'Caller''s id of the search' CODEC(ZSTD(1)),
    session_key UInt128 COMMENT 'sipHash128 of session_id: quicker to compare' CODEC(NONE),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened' CODEC(T64, ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    user_id Nullable(String) COMMENT 'Who searched' CODEC(ZSTD(1)),
    user_key UInt128 COMMENT 'sipHash128 of user_id; 0 without one' CODEC(LZ4),
    impressions UInt32 COMMENT 'Results shown' CODEC(T64, ZSTD(1)),
    events UInt32 COMMENT 'Interactions of any type' CODEC(T64, ZSTD(1)),
    unlisted_events UInt32 COMMENT 'Of these, those on objects that were not listed' CODEC(T64, ZSTD(1)),
    clicks UInt32 COMMENT 'Events of type click' CODEC(T64, ZSTD(1)),
    clicked_position UInt16 COMMENT 'Smallest clicked position; 0: none' CODEC(T64, ZSTD(1)),
    clicked_places UInt64 COMMENT 'Bit n - 1 is set when position n was clicked; positions 1 to 64' CODEC(T64, ZSTD(1)),
    clicked_deep Array(UInt16) COMMENT 'Clicked positions beyond 64' CODEC(ZSTD(1)),
    events_of Map(LowCardinality(String), UInt64) COMMENT 'Events of each type' CODEC(ZSTD(1)),
    position_of Map(LowCardinality(String), UInt16) COMMENT 'As clicked_position, of each type' CODEC(ZSTD(1)),
    places_of Map(LowCardinality(String), UInt64) COMMENT 'As clicked_places, of each type' CODEC(ZSTD(1)),
    deep_of Map(LowCardinality(String), Array(UInt16)) COMMENT 'As clicked_deep, of each type' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (session_day, build)
ORDER BY search_query
COMMENT 'What each session of a settled day showed and what came of it. Read session_facts_now';

CREATE TABLE IF NOT EXISTS settled_days
(
    session_day Date COMMENT 'The day',
    build UInt64 COMMENT 'Its rows of session_facts',
    content FixedString(16) COMMENT 'Checksum of the parts that they were computed from',
    built_at DateTime64(3, 'UTC') COMMENT 'When they were complete'
)
ENGINE = MergeTree
ORDER BY (session_day, built_at)
COMMENT 'Which facts are complete, and what they were computed from';

CREATE OR REPLACE VIEW day_contents
(
    session_day Date COMMENT 'A day that has rows',
    content FixedString(16) COMMENT 'Checksum of its parts of sessions and events as they are now',
    changed_at DateTime COMMENT 'When the youngest of them was made'
)
AS SELECT
    toDate(partition) AS session_day,
    sipHash128(arraySort(groupArray((table, hash_of_all_files)))) AS content,
    max(modification_time) AS changed_at
FROM system.parts
WHERE active
    AND table IN ('sessions', 'events')
    -- Of this database, whichever the reader's own is.
    AND database = (SELECT any(_database) FROM schema_migrations)
GROUP BY session_day
COMMENT 'What each day consists of now';

CREATE OR REPLACE VIEW settled_builds
(
    session_day Date COMMENT 'A day whose facts hold',
    build UInt64 COMMENT 'Its rows of session_facts'
)
AS SELECT session_day, argMax(build, built_at) AS build
FROM settled_days
WHERE (session_day, content) IN (SELECT session_day, content FROM day_contents)
GROUP BY session_day
COMMENT 'The days that consist of what their facts were computed from';

CREATE OR REPLACE VIEW session_facts_computed
AS SELECT
    searched.session_day AS session_day,
    searched.session_id AS session_id,
    reinterpretAsUInt128(sipHash128(searched.session_id)) AS session_key,
    searched.created_at AS created_at,
    searched.search_query AS search_query,
    searched.user_id AS user_id,
    if(isNull(searched.user_id), toUInt128(0), reinterpretAsUInt128(sipHash128(assumeNotNull(searched.user_id))))
        AS user_key,
    searched.impressions AS impressions,
    acted.events AS events,
    acted.unlisted_events AS unlisted_events,
    acted.clicks AS clicks,
    acted.clicked_position AS clicked_position,
    acted.clicked_places AS clicked_places,
    acted.clicked_deep AS clicked_deep,
    CAST(acted.events_of, 'Map(LowCardinality(String), UInt64)') AS events_of,
    CAST(acted.position_of, 'Map(LowCardinality(String), UInt16)') AS position_of,
    CAST(acted.places_of, 'Map(LowCardinality(String), UInt64)') AS places_of,
    CAST(acted.deep_of, 'Map(LowCardinality(String), Array(UInt16))') AS deep_of
FROM
(
    SELECT
        session_day, session_id, created_at, search_query, user_id,
        toUInt32(length(search_results.object_id)) AS impressions
    FROM sessions FINAL
) AS searched
LEFT JOIN
(
    SELECT
        session_day,
        session_id,
        toUInt32(count()) AS events,
        toUInt32(countIf(position = 0)) AS unlisted_events,
        toUInt32(countIf(event_type = 'click')) AS clicks,
        minIf(position, event_type = 'click' AND position > 0) AS clicked_position,
        groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(position - 1)), event_type = 'click' AND position BETWEEN 1 AND 64)
            AS clicked_places,
        groupUniqArrayIf(position, event_type = 'click' AND position > 64) AS clicked_deep,
        sumMap(map(event_type, toUInt64(1))) AS events_of,
        minMapIf(map(event_type, position), position > 0) AS position_of,
        groupBitOrMapIf(map(event_type, bitShiftLeft(toUInt64(1), toUInt8(position - 1))), position BETWEEN 1 AND 64)
            AS places_of,
        groupUniqArrayMapIf(map(event_type, position), position > 64) AS deep_of
    FROM events FINAL
    GROUP BY session_day, session_id
) AS acted USING (session_day, session_id)
SETTINGS join_use_nulls = 0, do_not_merge_across_partitions_select_final = 1
COMMENT 'The facts of every session, computed now. Read session_facts_now';

CREATE OR REPLACE VIEW session_facts_now
AS
-- ClickHouse evaluates the same scalar once per query, so that both halves agree on which is whose
-- although days change meanwhile: no session is read twice or not at all.
WITH (SELECT groupArray((session_day, build)) FROM settled_builds) AS settled
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep, events_of, position_of, places_of, deep_of
FROM session_facts
WHERE build IN (SELECT arrayJoin(arrayMap(each -> each.2, settled)))
UNION ALL
WITH (SELECT groupArray((session_day, build)) FROM settled_builds) AS settled
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep, events_of, position_of, places_of, deep_of
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
