-- What is asked of all searches: few columns of them, and all that examples need of few hours, which are
-- the last one of each day without an event, and the three in which a search has most events. A shard may
-- have few of a day's searches, so how many they are is not asked there. Nor can IN read a view with parameters
-- there: ClickHouse sends it to the shards without them.
CREATE OR REPLACE VIEW _health_whole
AS SELECT
    check.1 AS finding,
    check.2 AS cases,
    check.3 AS total,
    check.4 AS examples,
    toUInt64(1) AS one_of
FROM
(
    SELECT [
        (
            'searches_without_events',
            toUInt64(silent_searches),
            toUInt64(all_searches),
            arrayMap(newest -> newest.2, arraySlice(arraySort(arrayMap(
                day -> day.2, arrayFilter(day -> has(silent_days, day.1), newest_of_days))), 1, 3))
        ),
        (
            'one_session',
            toUInt64(most),
            toUInt64(all_events),
            arrayMap(session -> concat(session.2, ': ', toString(-session.1), ' events'), largest)
        )
    ] AS checks
    FROM
    (
        SELECT
            sum(searches_of_day) AS all_searches,
            sum(events_of_day) AS all_events,
            max(most_of_day) AS most,
            sumIf(searches_of_day, is_silent) AS silent_searches,
            groupArrayIf(days_back, is_silent) AS silent_days
        FROM
        (
            SELECT
                days_back,
                sum(searches) AS searches_of_day,
                sum(events) AS events_of_day,
                max(most_events) AS most_of_day,
                searches_of_day >= 20 AND events_of_day = 0 AS is_silent
            FROM _health_hours(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
            GROUP BY days_back
        )
    ) AS counted
    CROSS JOIN
    (
        SELECT
            groupArray((days_back, newest)) AS newest_of_days,
            groupArraySortedArray(3)(largest_of_day) AS largest
        FROM
        (
            SELECT
                intDiv({to_ms:Int64} - 1 - toUnixTimestamp64Milli(created_at), 86400000) AS days_back,
                min(newest_first) AS newest,
                groupArraySortedIf(3)((-toInt64(events), session_id), events > 0) AS largest_of_day
            FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
            WHERE session_hour IN (
                SELECT arrayJoin(arrayConcat(
                    groupArrayIf(last_hour, events_of_day = 0),
                    arrayMap(hour -> hour.2, groupArraySortedArray(3)(busiest))))
                FROM
                (
                    SELECT
                        max(session_hour) AS last_hour,
                        sum(events) AS events_of_day,
                        groupArraySorted(3)((-toInt64(most_events), session_hour)) AS busiest
                    FROM
                    (
                        SELECT
                            intDiv({to_ms:Int64} - 1 - toUnixTimestamp64Milli(created_at), 86400000) AS days_back,
                            session_hour,
                            sum(session_events) AS events,
                            max(session_events) AS most_events
                        FROM
                        (
                            SELECT created_at, session_hour, events AS session_events
                            FROM session_facts FINAL
                            WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
                                AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                                AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                            SETTINGS do_not_merge_across_partitions_select_final = 1
                        )
                        GROUP BY days_back, session_hour
                    )
                    GROUP BY days_back
                )
            )
            GROUP BY days_back
        )
    ) AS examples
)
ARRAY JOIN checks AS check
COMMENT 'Parameterised: whole days of searches without an event, and events of the search that has most'
