CREATE OR REPLACE VIEW _health_event_mix
AS SELECT
    'event_mix' AS finding,
    CAST(total >= 100 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(if(least(before, newest) < 100, 0, round(moved * newest))) AS cases,
    toUInt64(if(least(before, newest) < 100, 0, newest)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.25) AS threshold,
    arrayMap(type -> concat(type.2, ': ', toString(round(100 * type.3, 1)), ' % before, ', toString(round(100 * type.4, 1)), ' % now'), examples_) AS examples,
    concat(
        'Events of the newest 24 hours that would have to be of another type for the mix to be that of ',
        'the days before in the range.') AS meaning,
    concat(
        'Look for what was released then: a page that has stopped sending a type of event, or sends it ',
        'twice or under another name.') AS what_to_do
FROM (
    SELECT
        sum(type_newest) AS newest,
        sum(type_before) AS before,
        groupArray((type, type_newest, type_before)) AS types,
        arraySum(type -> abs(type.2 / newest - type.3 / before), types) / 2 AS moved,
        arraySlice(arraySort(arrayMap(type -> (
            -abs(type.2 / newest - type.3 / before), type.1, type.3 / before, type.2 / newest
        ), types)), 1, 3) AS examples_
    FROM
    (
        SELECT
            type,
            sumIf(count, is_newest) AS type_newest,
            sumIf(count, NOT is_newest) AS type_before
        FROM
        (
            SELECT
                toUnixTimestamp64Milli(created_at) >= {to_ms:Int64} - 86400000 AS is_newest,
                type_names,
                type_counts
            FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
        )
        ARRAY JOIN type_names AS type, type_counts AS count
        GROUP BY type
    )
)
COMMENT 'Parameterised: how far the types of events of the newest day differ from those of the days before'
