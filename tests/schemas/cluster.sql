CREATE TABLE IF NOT EXISTS clickstream._topic_epochs ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY (topic_ids, epoch)
COMMENT 'How often the topics were made anew: a higher epoch is a later one';

CREATE TABLE IF NOT EXISTS clickstream.dead_letter_acts ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}', done_at)
ORDER BY (topic, partition, offset, epoch, act, attempt)
TTL toDateTime(done_at) + INTERVAL 400 DAY
COMMENT 'What operators did with dead letters; a rebuild of the tables from Kafka leaves it alone';

CREATE TABLE IF NOT EXISTS clickstream_shard.dead_letters ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (topic, partition, offset, epoch)
TTL toDateTime(failed_at) + INTERVAL 30 DAY
SETTINGS materialize_ttl_recalculate_only = 1
COMMENT 'Records that can never be processed, with their bytes as they were. Read it with FINAL';

CREATE OR REPLACE TABLE clickstream.dead_letters ON CLUSTER 'blue' AS clickstream_shard.dead_letters ENGINE = Distributed('blue', 'clickstream_shard', 'dead_letters', cityHash64(topic, partition, offset));

CREATE TABLE IF NOT EXISTS clickstream.erased_dead_letters ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY (user_hash, dead_letter_hash)
COMMENT 'Dead letters that were erased: the same bytes are not kept again';

CREATE TABLE IF NOT EXISTS clickstream.erased_sessions ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY (user_hash, session_hash)
COMMENT 'Sessions that were erased: nothing that names one is stored again';

CREATE TABLE IF NOT EXISTS clickstream.erasure_log ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY finished_at
COMMENT 'Every erasure that was completed, for the audit';

CREATE TABLE IF NOT EXISTS clickstream.erasures ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY user_hash
COMMENT 'Users that were erased. Rows come from the topic of erasures';

CREATE TABLE IF NOT EXISTS clickstream_shard.events ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
PARTITION BY session_day
PRIMARY KEY (session_hour, session_hash)
ORDER BY (session_hour, session_hash, session_id, event_id)
SETTINGS
    index_granularity = 1024,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'Every interaction whose session is stored. Read it with FINAL, or read relevant_events';

CREATE OR REPLACE TABLE clickstream.events ON CLUSTER 'blue' AS clickstream_shard.events ENGINE = Distributed('blue', 'clickstream_shard', 'events', kafkaMurmurHash(session_id));

CREATE TABLE IF NOT EXISTS clickstream.facts_progress ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}', offset)
ORDER BY (topic, partition, epoch)
COMMENT 'How far session_facts follows the other tables. Read it with FINAL';

CREATE TABLE IF NOT EXISTS clickstream.late_joins ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')
ORDER BY (noted_at, session_hash)
COMMENT 'Sessions whose events were joined though both were stored long before: exports of what is new tell them';

CREATE TABLE IF NOT EXISTS clickstream_shard.session_facts ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
PARTITION BY session_day
PRIMARY KEY (session_hour, session_hash)
ORDER BY (session_hour, session_hash, session_id)
SETTINGS
    index_granularity = 2048,
    merge_selector_base = 8,
    min_age_to_force_merge_seconds = 900,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'What each session showed and what came of it. Read it with FINAL, or read session_outcomes';

CREATE OR REPLACE TABLE clickstream.session_facts ON CLUSTER 'blue' AS clickstream_shard.session_facts ENGINE = Distributed('blue', 'clickstream_shard', 'session_facts', kafkaMurmurHash(session_id));

CREATE TABLE IF NOT EXISTS clickstream_shard.session_marks ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
ORDER BY session_id
SETTINGS
    index_granularity = 1024,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'The last word on each session that was ever marked. Read it with FINAL';

CREATE OR REPLACE TABLE clickstream.session_marks ON CLUSTER 'blue' AS clickstream_shard.session_marks ENGINE = Distributed('blue', 'clickstream_shard', 'session_marks', kafkaMurmurHash(session_id));

CREATE TABLE IF NOT EXISTS clickstream_shard.sessions ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
PARTITION BY session_day
ORDER BY session_id
SETTINGS
    index_granularity = 1024,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'Every search, with the list that was shown. Read it with FINAL, or read relevant_sessions';

CREATE OR REPLACE TABLE clickstream.sessions ON CLUSTER 'blue' AS clickstream_shard.sessions ENGINE = Distributed('blue', 'clickstream_shard', 'sessions', kafkaMurmurHash(session_id));

CREATE TABLE IF NOT EXISTS clickstream_shard.unjoined_events ON CLUSTER 'blue'
(…)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version)
ORDER BY (session_id, event_id)
TTL toDateTime(received_at) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, materialize_ttl_recalculate_only = 1
COMMENT 'Interactions whose session has not arrived; they move to events when it does';

CREATE OR REPLACE TABLE clickstream.unjoined_events ON CLUSTER 'blue' AS clickstream_shard.unjoined_events ENGINE = Distributed('blue', 'clickstream_shard', 'unjoined_events', kafkaMurmurHash(session_id));

CREATE OR REPLACE VIEW clickstream._session_goals ON CLUSTER 'blue'
AS SELECT
    session_id,
    session_hash,
    created_at,
    search_query,
    query_bucket,
    user_id,
    user_hash,
    is_irrelevant,
    {relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only') AS is_selected,
    variants,
    variant_set,
    dimensions,
    dimension_set,
    sort_field,
    result_ids,
    result_teams,
    result_dimension_sets,
    results,
    events,
    unlisted_events,
    type_names,
    event_types,
    event_positions,
    event_after_ms,
    if({event_type:String} = 'click', clicks, other_goal_events) AS goal_events,
    if({event_type:String} = 'click', unlisted_clicks, other_unlisted_goals) AS unlisted_goals,
    if({event_type:String} = 'click', clicked_positions_mask, other_positions_mask) AS positions_mask,
    if({event_type:String} = 'click', clicked_positions_over_64, other_positions_over_64) AS positions_over_64,
    if({event_type:String} = 'click', clicked_results, other_results_with_goal) AS results_with_goal,
    if({event_type:String} = 'click', min_clicked_position, other_min_position) AS min_position,
    if({event_type:String} = 'click', first_click_ms, other_first_goal_ms) AS first_goal_ms,
    if({event_type:String} = 'click', clicks_with_value, other_goals_with_value) AS goals_with_value,
    if({event_type:String} = 'click', click_values, other_goal_values) AS goal_values,
    clicks > 0 AS has_click,
    arrayConcat(
        arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(positions_mask)),
        arrayMap(position -> toUInt32(position), positions_over_64)
    ) AS goal_positions,
    arrayMap(times -> toUInt8(times > 1), arraySlice(
        arrayEnumerateUniq(arrayConcat(goal_positions, arrayEnumerate(arrayResize(CAST([], 'Array(UInt8)'), results)))),
        length(goal_positions) + 1
    )) AS result_goals
FROM
(…)
COMMENT 'Parameterised: the facts of a range of created_at, for one type of event as the goal';

CREATE OR REPLACE VIEW clickstream._health_checks ON CLUSTER 'blue'
AS SELECT
    check.1 AS finding, check.2 AS least, check.3 AS threshold, check.4 AS meaning, check.5 AS what_to_do
FROM
(…)
COMMENT 'When a check has found something, and what that means';

CREATE OR REPLACE VIEW clickstream._health_events ON CLUSTER 'blue'
AS SELECT event_id, object_id
FROM clickstream.events FINAL
PREWHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND ({one_of:UInt64} < 50 OR session_hour % 5 = 0)
    AND session_hash <= intDiv(18446744073709551615, if({one_of:UInt64} < 50, {one_of:UInt64}, intDiv({one_of:UInt64}, 5)))
WHERE session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 0
COMMENT 'Parameterised: the ids of the events of the searches of a range, or of one in so many';

CREATE OR REPLACE VIEW clickstream._health_sessions ON CLUSTER 'blue'
AS SELECT
    session_id, session_hour, session_hash, created_at, received_at, user_id, result_ids, results, events, type_names,
    type_counts, clicks,
    clicked_positions_mask, clicked_positions_over_64, unlisted_clicks, type_first_ms,
    (-toUnixTimestamp64Milli(created_at), session_id) AS newest_first
FROM clickstream.session_facts FINAL
PREWHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND ({one_of:UInt64} < 50 OR session_hour % 5 = 0)
    AND session_hash <= intDiv(18446744073709551615, if({one_of:UInt64} < 50, {one_of:UInt64}, intDiv({one_of:UInt64}, 5)))
WHERE created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 0
COMMENT 'Parameterised: the facts of the searches of a range, or of one in so many';

CREATE OR REPLACE VIEW clickstream._health_missing_posts ON CLUSTER 'blue'
AS SELECT
    {finding:String} AS finding,
    toUInt64(sum(missing)) AS cases,
    toUInt64(sum(posts)) AS total,
    arrayMap(block -> concat('Kafka partition ', toString(block.2), ', offsets ', toString(block.3), ' to ',
        toString(block.4), ': ', toString(-block.1), ' not stored'),
        groupArraySortedArray(3)(blocks)) AS examples,
    toUInt64(1) AS one_of
FROM
(…)
COMMENT 'Parameterised: posts of searches, or posts of events of the newest day of a range, that are not stored';

CREATE OR REPLACE VIEW clickstream._placeholder_ids ON CLUSTER 'blue'
AS SELECT arrayJoin([
    'undefined', 'Undefined', 'null', 'Null', 'NULL', 'None', 'none', 'nil', 'NaN', 'nan', '[object Object]',
    '[object Promise]', '[object Undefined]', '(null)', '<null>', 'N/A', 'n/a', '""', '\'\'', '{}', '[]', '-', '--'
]) AS id
COMMENT 'Ids that stand for no id';

CREATE OR REPLACE VIEW clickstream_shard._relevant_session_facts ON CLUSTER 'blue'
AS SELECT
    session_id, nullIf(session_day, toDate(0)) AS session_day, created_at, search_query, user_id, user_hash,
    dimensions, sort_field, results, events, unlisted_events, clicks, min_clicked_position, clicked_positions_mask,
    clicked_positions_over_64, first_click_ms
FROM clickstream_shard.session_facts FINAL
WHERE NOT is_irrelevant
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The facts of the sessions that count';

CREATE OR REPLACE TABLE clickstream._relevant_session_facts ON CLUSTER 'blue' AS clickstream_shard._relevant_session_facts ENGINE = Distributed('blue', 'clickstream_shard', '_relevant_session_facts');

CREATE OR REPLACE VIEW clickstream_shard.impressions ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    place AS position,
    shown_object AS object_id,
    shown_rank AS rank,
    shown_meta AS meta,
    search_query, user_id, created_at, session_day
FROM
(…)
ARRAY JOIN
    objects AS shown_object,
    ranks AS shown_rank,
    metas AS shown_meta,
    arrayMap(each -> toUInt16(each), arrayEnumerate(objects)) AS place
COMMENT 'One row per result shown in a session that counts. For some days of session_day: docs/sql.md, Large ranges';

CREATE OR REPLACE TABLE clickstream.impressions ON CLUSTER 'blue' AS clickstream_shard.impressions ENGINE = Distributed('blue', 'clickstream_shard', 'impressions');

CREATE OR REPLACE VIEW clickstream.metrics_now ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT unjoined_events, oldest_unjoined_seconds, dead_letters, freshness_seconds
FROM
(
    SELECT
        count() AS unjoined_events,
        if(unjoined_events = 0, NULL, dateDiff('second', min(received_at), now64(3, 'UTC'))) AS oldest_unjoined_seconds
    FROM clickstream.unjoined_events FINAL
) AS unjoined
CROSS JOIN (SELECT count() AS dead_letters FROM clickstream.dead_letters FINAL) AS rejected
CROSS JOIN
(
    SELECT if(count() = 0, NULL, dateDiff('millisecond', max(noted_at), now64(3, 'UTC')) / 1000) AS freshness_seconds
    FROM clickstream.facts_progress
) AS noted
COMMENT 'What waits now, and how old the numbers are';

CREATE OR REPLACE VIEW clickstream_shard.relevant_events ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, event_id, object_id, event_type, nullIf(events.position, 0) AS position, meta, created_at,
    received_at, session_created_at, nullIf(events.session_day, toDate(0)) AS session_day
FROM clickstream_shard.events FINAL
WHERE session_hash NOT IN (SELECT sipHash64(session_id) FROM clickstream_shard.session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Interactions with sessions that count: each once';

CREATE OR REPLACE TABLE clickstream.relevant_events ON CLUSTER 'blue' AS clickstream_shard.relevant_events ENGINE = Distributed('blue', 'clickstream_shard', 'relevant_events');

CREATE OR REPLACE VIEW clickstream_shard.relevant_sessions ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, search_query, search_results.object_id AS result_object_ids, search_results.rank AS result_ranks,
    search_results.meta AS result_metas, search_meta, payload_filter, sort_by, user_id, created_at, received_at,
    nullIf(sessions.session_day, toDate(0)) AS session_day
FROM clickstream_shard.sessions FINAL
WHERE session_id NOT IN (SELECT session_id FROM clickstream_shard.session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Sessions that count: each once, without those marked irrelevant';

CREATE OR REPLACE TABLE clickstream.relevant_sessions ON CLUSTER 'blue' AS clickstream_shard.relevant_sessions ENGINE = Distributed('blue', 'clickstream_shard', 'relevant_sessions');

CREATE OR REPLACE VIEW clickstream._experiment_sessions ON CLUSTER 'blue'
AS SELECT
    simpleJSONExtractString(facts.variant_set, substring(
        toJSONString({variant_field:String}), 2, length(toJSONString({variant_field:String})) - 2)) AS variant,
    user_hash,
    if(user_hash = 0, session_hash, user_hash) AS unit,
    facts.results AS impressions,
    goal_events AS clicks,
    facts.min_position AS min_position,
    results_with_goal AS clicked_impressions
FROM clickstream._session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
WHERE is_selected AND variant != ''
COMMENT 'Parameterised: the sessions of a range that took part in an experiment';

CREATE OR REPLACE VIEW clickstream._session_objects ON CLUSTER 'blue'
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, session_hash, sort_field, dimensions, dimension_set, variants,
    shown_object AS object_id,
    shown_position AS position,
    shown_set AS result_dimension_set,
    JSONExtract(ifNull(nullIf(toString(shown_set), ''), '{}'), 'Map(String, String)') AS result_dimensions,
    toUInt64(1) AS impressions,
    toUInt64(is_clicked) AS clicked_impressions,
    toUInt64(lowest > 0) AS clicked_lists,
    toUInt64(lowest >= shown_position) AS lists_examined
FROM
(…)
ARRAY JOIN objects AS shown_object, arrayEnumerate(objects) AS shown_position, goals AS is_clicked, sets AS shown_set
COMMENT 'Parameterised: session_objects of one in so many';

CREATE OR REPLACE VIEW clickstream.metrics_interleaving ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    team,
    sum(all_searches) AS searches,
    sum(user_won) AS won,
    sum(user_lost) AS lost,
    sum(user_tied) AS tied,
    searches - won - lost - tied AS searches_without_credit,
    countIf(clicked > 0) AS users,
    countIf(score > 0) AS users_for,
    countIf(score < 0) AS users_against,
    users - users_for - users_against AS users_tied,
    sum(score * score) AS score_squares,
    sum(clicked * clicked) AS search_squares,
    sum(score * clicked) AS products
FROM
(…)
GROUP BY team
COMMENT 'Parameterised: searches that each team has won and lost against `control` in interleaved lists';

CREATE OR REPLACE VIEW clickstream.metrics_positions ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
    (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
SELECT
    at_position.1 AS position,
    at_position.2 AS impressions,
    at_position.3 AS clicked_impressions,
    clicked_impressions / impressions AS position_ctr,
    wilson_low(clicked_impressions, impressions) AS position_ctr_low,
    wilson_high(clicked_impressions, impressions) AS position_ctr_high
FROM
(…)
ARRAY JOIN arrayFlatten(arrayMap(
    (cell, shown, before) -> arrayMap(
        place -> (toUInt16(place), shown, if(place = cell.1, cell.3, 0)), range(before + 1, cell.1 + 1)
    ),
    cells, lists_from, positions_before
)) AS at_position
COMMENT 'Parameterised: how often each position of the list was shown and clicked in a range';

CREATE OR REPLACE VIEW clickstream.session_measures ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    first -> arrayMap(bits -> arraySum(bit -> 1 / log2(first + bit + 2), bitPositionsToArray(bits)), range(32)) AS gains_from,
    arrayResize(arrayPushFront(facts.event_positions, 0), length(facts.event_positions)) AS positions_before,
    arraySplit(
        (event, position, before) -> position = 0 OR position != before,
        arrayZip(facts.event_types, facts.event_after_ms), facts.event_positions, positions_before) AS visits,
    arrayMap(visit -> visit[1].2, visits) AS visits_begin,
    arrayResize(arrayPopFront(visits_begin), length(visits_begin), toInt64(4000000000000000)) AS visits_end,
    (gain, depth, clicked) -> toUInt64(gain * arrayMap(ideal -> 1000000000 / ideal,
        arrayCumSum(arrayMap(place -> 1 / log2(place + 1), range(1, depth + 1))))[least(depth, clicked)] + 0.5) AS ndcg
SELECT
    facts.session_id AS session_id,
    facts.created_at AS created_at,
    facts.search_query AS search_query,
    facts.query_bucket AS query_bucket,
    facts.user_id AS user_id,
    facts.user_hash AS user_hash,
    facts.session_hash AS session_hash,
    facts.sort_field AS sort_field,
    facts.dimensions AS dimensions,
    facts.dimension_set AS dimension_set,
    facts.variants AS variants,
    facts.type_names AS event_types,
    facts.result_dimension_sets AS result_dimension_sets,
    facts.result_goals AS result_clicks,
    toUInt64(1) AS sessions,
    toUInt64(facts.results = 0) AS zero_result_sessions,
    toUInt64(facts.results > 0) AS sessions_with_results,
    toUInt64(facts.results) AS impressions,
    toUInt64(facts.events) AS events,
    toUInt64(facts.unlisted_events) AS unlisted_events,
    toUInt64(facts.goal_events) AS clicks,
    toUInt64(facts.unlisted_goals) AS unlisted_clicks,
    toUInt64(facts.goal_events > 0) AS sessions_with_click,
    toUInt64(facts.results > 0 AND facts.goal_events > 0) AS sessions_with_results_and_click,
    toUInt64(facts.results > 0 AND facts.goal_events = 0) AS sessions_without_click,
    toUInt64(facts.results > 0 AND facts.events = 0) AS abandoned_sessions,
    toUInt64(facts.has_click) AS clicked_sessions,
    toUInt64(facts.has_click AND facts.goal_events > 0) AS clicked_and_converted_sessions,
    toUInt64(facts.results_with_goal) AS clicked_impressions,
    toUInt64(facts.min_position > 0) AS sessions_with_position,
    toUInt64(facts.min_position) AS first_click_positions,
    toUInt64(intDivOrZero(232792560, facts.min_position)) AS reciprocal_ranks,
    gains_from(0)[bitAnd(facts.positions_mask, 31) + 1] AS gain_5,
    gain_5 + gains_from(5)[bitAnd(bitShiftRight(facts.positions_mask, 5), 31) + 1] AS gain_10,
    gain_10 + gains_from(10)[bitAnd(bitShiftRight(facts.positions_mask, 10), 31) + 1]
        + gains_from(15)[bitAnd(bitShiftRight(facts.positions_mask, 15), 31) + 1] AS gain_20,
    ndcg(gain_5, 5, clicked_impressions) AS ndcg_sum_5,
    ndcg(gain_10, 10, clicked_impressions) AS ndcg_sum_10,
    ndcg(gain_20, 20, clicked_impressions) AS ndcg_sum_20,
    facts.first_goal_ms AS first_click_ms,
    toUInt64(ifNull(facts.first_goal_ms >= 0, 0)) AS sessions_with_first_click,
    toUInt64(ifNull(facts.first_goal_ms < 0, 0)) AS sessions_with_early_click,
    arrayFlatten(arrayMap(
        (visit, end) -> arrayMap(event -> (event.2, end), arrayFilter(event -> event.1 = {event_type:String}, visit)),
        visits, visits_end)) AS click_spans,
    toUInt64(facts.goals_with_value) AS events_with_value,
    facts.goal_values AS values
FROM clickstream._session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
WHERE facts.is_selected
COMMENT 'Parameterised: what each session of a range adds to every metric';

CREATE OR REPLACE VIEW clickstream.session_positions ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
    position_of_cell AS position,
    is_end AS lists_ending,
    toUInt64(is_end = 0) AS clicked_impressions,
    is_end * is_clicked AS clicked_lists_ending,
    is_lowest AS lowest_clicks
FROM
(…)
ARRAY JOIN positions AS position_of_cell, ends AS is_end, lowests AS is_lowest
COMMENT 'Parameterised: at which positions the list of each session ends and was clicked';

CREATE OR REPLACE VIEW clickstream._health_hours ON CLUSTER 'blue'
AS SELECT
    intDiv({to_ms:Int64} - 1 - toUnixTimestamp64Milli(created_at), 86400000) AS days_back,
    session_hour,
    count() AS searches,
    sum(session_events) AS events,
    max(session_events) AS most_events
FROM
(…)
GROUP BY days_back, session_hour
COMMENT 'Parameterised: how many searches and events each hour of a range has';

CREATE OR REPLACE VIEW clickstream._health_one_event_id ON CLUSTER 'blue'
AS SELECT
    'one_event_id' AS finding,
    toUInt64(if(most_clicks > 1, 0, -most.1)) AS cases,
    toUInt64(events) AS total,
    if(cases > 0.5 * total, [concat(most.2, ': ', toString(cases), ' events')], []) AS examples,
    {one_of:UInt64} AS one_of
FROM
(
    SELECT groupArraySorted(1)((-toInt64(times), event_id))[1] AS most, sum(times) AS events
    FROM
    (
        SELECT event_id, count() AS times
        FROM clickstream._health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        GROUP BY event_id
    )
) AS of_events
CROSS JOIN
(
    SELECT max(clicks) AS most_clicks
    FROM clickstream._health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
) AS of_searches
COMMENT 'Parameterised: events that have the event_id that is most frequent, when no search has two clicks';

CREATE OR REPLACE VIEW clickstream._health_one_user ON CLUSTER 'blue'
AS SELECT
    'one_user' AS finding,
    toUInt64(max(searches)) AS cases,
    toUInt64(sum(searches)) AS total,
    arrayMap(user -> concat(user.2, ': ', toString(-user.1), ' searches'),
        arrayFilter(user -> -user.1 > 0.1 * total, groupArraySorted(3)((-toInt64(searches), user)))) AS examples,
    {one_of:UInt64} AS one_of
FROM
(…)
COMMENT 'Parameterised: searches of the user_id that has most';

CREATE OR REPLACE VIEW clickstream._health_shares ON CLUSTER 'blue'
AS WITH
    sumMapIf(type_names, type_counts, is_newest) AS newest_types,
    sumMapIf(type_names, type_counts, NOT is_newest) AS types_before,
    arraySum(newest_types.2) AS newest,
    arraySum(types_before.2) AS before,
    arrayMap(type -> (
        type,
        types_before.2[indexOf(types_before.1, type)] / before,
        newest_types.2[indexOf(newest_types.1, type)] / newest
    ), arraySort(arrayDistinct(arrayConcat(types_before.1, newest_types.1)))) AS mix,
    arraySum(type -> abs(type.3 - type.2), mix) / 2 AS moved,
    least(before, newest) >= 100 AS has_mix,
    newest -> newest.2 AS id_of
SELECT
    check.1 AS finding,
    check.2 AS cases,
    check.3 AS total,
    check.4 AS examples,
    {one_of:UInt64} AS one_of
FROM
(…)
ARRAY JOIN checks AS check
COMMENT 'Parameterised: clicks that are not listed, or on the first result, types of events that have changed, clocks that cannot be right';

CREATE OR REPLACE VIEW clickstream._health_placeholder_ids ON CLUSTER 'blue'
AS SELECT
    'placeholder_ids' AS finding,
    toUInt64(sumIf(rows, label != '')) AS cases,
    toUInt64(sum(rows)) AS total,
    arrayMap(most -> concat(most.2, ': ', toString(-most.1), ' times'), groupArraySortedIf(3)((-toInt64(rows), label), label != '')) AS examples,
    {one_of:UInt64} AS one_of
FROM (
    SELECT label, sum(weight) AS rows
    FROM
    (
        WITH arrayFirst(id -> id IN (SELECT id FROM clickstream._placeholder_ids), result_ids) AS placeholder
        SELECT
            multiIf(
                user_id IN (SELECT id FROM clickstream._placeholder_ids), concat('user_id ', ifNull(user_id, '')),
                placeholder != '', concat('object_id of a result ', placeholder),
                ''
            ) AS label,
            1 AS weight
        FROM clickstream._health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        WHERE session_id NOT IN (SELECT id FROM clickstream._placeholder_ids)
        UNION ALL
        SELECT concat('session_id ', session_id) AS label, 1 + events AS weight
        FROM clickstream._health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
        WHERE session_id IN (SELECT id FROM clickstream._placeholder_ids)
            AND (session_hour, session_hash) IN (
                SELECT toInt32(intDiv(toUnixTimestamp64Milli(created_at), 3600000)), sipHash64(session_id)
                FROM clickstream.sessions
                WHERE session_id IN (SELECT id FROM clickstream._placeholder_ids)
            )
        UNION ALL
        SELECT
            multiIf(
                event_id IN (SELECT id FROM clickstream._placeholder_ids), concat('event_id ', event_id),
                object_id IN (SELECT id FROM clickstream._placeholder_ids), concat('object_id of an event ', object_id),
                ''
            ) AS label,
            1 AS weight
        FROM clickstream._health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        UNION ALL
        SELECT
            if(session_id IN (SELECT id FROM clickstream._placeholder_ids), concat('session_id of a waiting event ', session_id), '') AS label,
            1 AS weight
        FROM clickstream.unjoined_events FINAL
        WHERE received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    )
    GROUP BY label
)
COMMENT 'Parameterised: ids that stand for no id';

CREATE OR REPLACE VIEW clickstream.analytics_daily ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    count() AS sessions,
    uniqExactIf(user_hash, user_hash != 0) AS users,
    countIf(results = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(results) AS impressions,
    sum(facts.events) AS events,
    sum(facts.clicks) AS clicks,
    countIf(facts.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS session_ctr,
    sumIf(intDivOrZero(232792560, min_clicked_position), min_clicked_position > 0) / 232792560 / sessions AS mean_reciprocal_rank
FROM clickstream._relevant_session_facts AS facts
GROUP BY session_day
COMMENT 'The numbers of each day';

CREATE OR REPLACE VIEW clickstream.analytics_positions ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    at_position.1 AS position,
    at_position.2 AS impressions,
    at_position.3 AS clicked_impressions,
    clicked_impressions / impressions AS position_ctr
FROM
(…)
ARRAY JOIN arrayFlatten(arrayMap(
    (cell, shown, before) -> arrayMap(
        place -> (toUInt16(place), shown, if(place = cell.1, cell.3, 0)), range(before + 1, cell.1 + 1)
    ),
    cells, lists_from, positions_before
)) AS at_position
COMMENT 'How often each place of the list was shown and clicked, by day';

CREATE OR REPLACE VIEW clickstream.analytics_queries ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    search_query,
    count() AS sessions,
    countIf(results = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(results) AS impressions,
    sum(facts.clicks) AS clicks,
    countIf(facts.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS session_ctr,
    sumIf(intDivOrZero(232792560, min_clicked_position), min_clicked_position > 0) / 232792560 / sessions AS mean_reciprocal_rank
FROM clickstream._relevant_session_facts AS facts
GROUP BY session_day, search_query
COMMENT 'The numbers of each query text and day. For some days of session_day: docs/sql.md, Large ranges';

CREATE OR REPLACE VIEW clickstream_shard.session_outcomes ON CLUSTER 'blue'
(…)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    session_day,
    created_at,
    search_query,
    user_id,
    dimensions,
    sort_field,
    toUInt64(results) AS impressions,
    toUInt64(events) AS events,
    toUInt64(clicks) AS clicks,
    nullIf(facts.min_clicked_position, 0) AS min_clicked_position,
    if(facts.min_clicked_position > 0, 1 / facts.min_clicked_position, 0) AS reciprocal_rank,
    first_click_ms
FROM clickstream_shard._relevant_session_facts AS facts
COMMENT 'One row per session that counts: what was shown and what came of it';

CREATE OR REPLACE TABLE clickstream.session_outcomes ON CLUSTER 'blue' AS clickstream_shard.session_outcomes ENGINE = Distributed('blue', 'clickstream_shard', 'session_outcomes');

CREATE OR REPLACE VIEW clickstream._experiment_users ON CLUSTER 'blue'
AS SELECT
    any(searches.variant) AS variant,
    unit,
    any(user_hash) = 0 AS is_anonymous,
    count() AS sessions,
    countIf(searches.clicks > 0) AS sessions_with_click,
    countIf(searches.impressions = 0) AS zero_result_sessions,
    countIf(searches.impressions > 0) AS sessions_with_results,
    countIf(searches.impressions > 0 AND searches.clicks = 0) AS sessions_without_click,
    countIf(searches.min_position > 0) AS sessions_with_position,
    sum(searches.clicks) AS clicks,
    sum(searches.impressions) AS impressions,
    sum(searches.clicked_impressions) AS clicked_impressions,
    sum(searches.min_position) AS min_positions,
    sumIf(intDivOrZero(232792560, searches.min_position), searches.min_position > 0) AS reciprocal_ranks
FROM clickstream._experiment_sessions(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, variant_field = {variant_field:String}
) AS searches
GROUP BY cityHash64(searches.variant), unit
COMMENT 'Parameterised: what each user of each variant did';

CREATE OR REPLACE VIEW clickstream.metrics_experiment_users ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    count() AS users,
    countIf(is_in_several) AS users_in_several_variants,
    toUInt64(quantileExactWeighted({quantile:Float64})(sessions, 1)) AS sessions_at_quantile
FROM
(…)
COMMENT 'Parameterised: how many users took part in an experiment, and how many searches of one user are more than those of a share of all users';

CREATE OR REPLACE VIEW clickstream.session_objects ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM clickstream._session_objects(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}, one_of = 1
)
COMMENT 'Parameterised: every result that a session of a range showed, and whether it was clicked. Of more than a few million searches, ask part of them: docs/sql.md, Large ranges';

CREATE OR REPLACE VIEW clickstream._session_intents ON CLUSTER 'blue'
AS SELECT
    *,
    toUInt64(user_hash != 0 AND next_ms - this_ms BETWEEN 0 AND 30000
        AND this_text != '' AND next_text != ''
        AND (
            startsWith(this_text, next_text) OR startsWith(next_text, this_text)
            OR (
                abs(toInt64(lengthUTF8(this_text)) - toInt64(lengthUTF8(next_text))) <= 2
                AND lengthUTF8(this_text) <= 200
                AND editDistanceUTF8(substringUTF8(this_text, 1, 202), substringUTF8(next_text, 1, 202))
                    <= least(2, intDiv(greatest(lengthUTF8(this_text), lengthUTF8(next_text)), 2))
            )
        )) AS reformulated_sessions,
    toUInt64(user_hash != 0) AS sessions_with_user,
    1 - reformulated_sessions AS intents,
    if(user_hash != 0 AND next_ms >= this_ms, next_ms - this_ms, toInt64(4000000000000000)) AS next_search_ms,
    arrayFilter(dwell -> dwell <= 1800000, arrayMap(
        span -> least(span.2, if(next_search_ms >= span.1, next_search_ms, toInt64(4000000000000000))) - span.1,
        click_spans)) AS dwells_ms,
    toUInt64(length(dwells_ms)) AS clicks_with_dwell,
    toUInt64(arrayCount(span -> span.2 = 4000000000000000 AND span.1 > next_search_ms, click_spans))
        AS clicks_after_next_search,
    clicks - clicks_with_dwell - clicks_after_next_search AS clicks_without_dwell,
    intents * sessions_with_click AS intents_with_click,
    intents * zero_result_sessions AS zero_result_intents
FROM
(…)
COMMENT 'Parameterised: session_intents of one in so many';

CREATE OR REPLACE VIEW clickstream.metrics_overview ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT numbers.*, irrelevant_sessions
FROM
(
    WITH
        (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
            - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
        (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
            + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
    SELECT
        sum(measures.sessions) AS sessions,
        uniqExactIf(user_hash, user_hash != 0) AS users,
        sum(measures.zero_result_sessions) AS zero_result_sessions,
        if(sessions = 0, NULL, zero_result_sessions / sessions) AS zero_result_rate,
        wilson_low(zero_result_sessions, sessions) AS zero_result_rate_low,
        wilson_high(zero_result_sessions, sessions) AS zero_result_rate_high,
        sum(measures.impressions) AS impressions,
        sum(measures.events) AS events,
        sum(measures.unlisted_events) AS unlisted_events,
        sum(measures.clicks) AS clicks,
        sum(measures.sessions_with_click) AS sessions_with_click,
        if(sessions = 0, NULL, sessions_with_click / sessions) AS session_ctr,
        wilson_low(sessions_with_click, sessions) AS session_ctr_low,
        wilson_high(sessions_with_click, sessions) AS session_ctr_high,
        sum(measures.sessions_with_results) AS sessions_with_results,
        sum(measures.sessions_without_click) AS sessions_without_click,
        if(sessions_with_results = 0, NULL, sessions_without_click / sessions_with_results) AS no_click_rate,
        wilson_low(sessions_without_click, sessions_with_results) AS no_click_rate_low,
        wilson_high(sessions_without_click, sessions_with_results) AS no_click_rate_high,
        sum(measures.reciprocal_ranks) AS reciprocal_ranks,
        if(sessions = 0, NULL, reciprocal_ranks / 232792560 / sessions) AS mean_reciprocal_rank
    FROM clickstream.session_measures(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    ) AS measures
) AS numbers
CROSS JOIN
(
    SELECT countIf(is_irrelevant) AS irrelevant_sessions
    FROM clickstream._session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = 'include', event_type = 'click')
) AS marked
COMMENT 'Parameterised: the numbers of all sessions of a range together';

CREATE OR REPLACE VIEW clickstream.metrics_queries ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
    (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
SELECT
    search_query,
    sum(measures.sessions) AS sessions,
    sum(measures.zero_result_sessions) AS zero_result_sessions,
    if(sessions = 0, NULL, zero_result_sessions / sessions) AS zero_result_rate,
    wilson_low(zero_result_sessions, sessions) AS zero_result_rate_low,
    wilson_high(zero_result_sessions, sessions) AS zero_result_rate_high,
    sum(measures.impressions) AS impressions,
    sum(measures.clicks) AS clicks,
    sum(measures.sessions_with_click) AS sessions_with_click,
    if(sessions = 0, NULL, sessions_with_click / sessions) AS session_ctr,
    wilson_low(sessions_with_click, sessions) AS session_ctr_low,
    wilson_high(sessions_with_click, sessions) AS session_ctr_high,
    sum(measures.sessions_with_results) AS sessions_with_results,
    sum(measures.sessions_without_click) AS sessions_without_click,
    if(sessions_with_results = 0, NULL, sessions_without_click / sessions_with_results) AS no_click_rate,
    wilson_low(sessions_without_click, sessions_with_results) AS no_click_rate_low,
    wilson_high(sessions_without_click, sessions_with_results) AS no_click_rate_high,
    sum(measures.reciprocal_ranks) AS reciprocal_ranks,
    if(sessions = 0, NULL, reciprocal_ranks / 232792560 / sessions) AS mean_reciprocal_rank
FROM clickstream.session_measures(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS measures
GROUP BY search_query
COMMENT 'Parameterised: the numbers of each query text of a range. For a few million searches: docs/sql.md, Large ranges';

CREATE OR REPLACE VIEW clickstream._health_whole ON CLUSTER 'blue'
AS SELECT
    check.1 AS finding,
    check.2 AS cases,
    check.3 AS total,
    check.4 AS examples,
    toUInt64(1) AS one_of
FROM
(…)
ARRAY JOIN checks AS check
COMMENT 'Parameterised: whole days of searches without an event, and events of the search that has most';

CREATE OR REPLACE VIEW clickstream.metrics_experiment ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    variant,
    metric,
    users,
    outlier_users,
    sessions,
    anonymous_sessions,
    numerator,
    denominator,
    if(denominator = 0, NULL, numerator / parts / denominator) AS value,
    numerator_squares,
    denominator_squares,
    products,
    parts,
    toUInt32(if({outliers:String} = 'winsorise', 1000, 1)) AS weight
FROM
(…)
ARRAY JOIN
    [
        'session_ctr', 'clicks_per_search', 'position_ctr', 'mean_reciprocal_rank',
        'mean_first_click_position', 'zero_result_rate', 'no_click_rate', 'searches_per_user'
    ] AS metric,
    numerators_sum AS numerator,
    denominators_sum AS denominator,
    numerators_squared AS numerator_squares,
    denominators_squared AS denominator_squares,
    multiplied AS products,
    arrayMap(name -> toUInt32(if(name = 'mean_reciprocal_rank', 232792560, 1)), [
        'session_ctr', 'clicks_per_search', 'position_ctr', 'mean_reciprocal_rank',
        'mean_first_click_position', 'zero_result_rate', 'no_click_rate', 'searches_per_user'
    ]) AS parts
COMMENT 'Parameterised: the numbers of each variant of an experiment, and what their intervals are computed from';

CREATE OR REPLACE VIEW clickstream.metrics_judgments ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    (hits, of) -> greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124)) AS wilson_low,
    (hits, of) -> least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124)) AS wilson_high
SELECT
    search_query,
    object_id,
    sum(shown.impressions) AS impressions,
    sum(shown.clicked_impressions) AS clicked_impressions,
    sum(average.expected) / 1000000000 AS expected_clicks,
    clicked_impressions / impressions AS ctr,
    wilson_low(clicked_impressions, impressions) AS ctr_low,
    wilson_high(clicked_impressions, impressions) AS ctr_high,
    if(expected_clicks = 0, NULL, clicked_impressions / expected_clicks) AS coec,
    if(expected_clicks = 0, NULL, ctr_low * impressions / expected_clicks) AS coec_low,
    if(expected_clicks = 0, NULL, ctr_high * impressions / expected_clicks) AS coec_high,
    uniqExact(position) AS positions_seen,
    min(position) AS highest_position,
    max(position) AS lowest_position,
    min(created_at) AS first_seen,
    max(created_at) AS last_seen
FROM clickstream.session_objects(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS shown
LEFT JOIN
(
    SELECT toUInt32(position) AS at, toUInt64(round(1000000000 * position_ctr)) AS expected
    FROM clickstream.metrics_positions(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}, limit = 65535
    )
) AS average ON average.at = shown.position
GROUP BY search_query, object_id
COMMENT 'Parameterised: clicks over impressions and over expected clicks of each object for each query';

CREATE OR REPLACE VIEW clickstream.session_intents ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM clickstream._session_intents(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}, one_of = 1
)
COMMENT 'Parameterised: the same as session_measures, and which searches were typed on. Of more than a few million searches, ask part of the users: docs/sql.md, Large ranges';

CREATE OR REPLACE VIEW clickstream._instrumentation_health ON CLUSTER 'blue'
AS SELECT
    finding,
    CAST(total >= least AND cases > threshold * total, 'Bool') AS is_found,
    cases,
    total,
    if(total = 0, NULL, cases / total) AS share,
    threshold,
    examples,
    meaning,
    what_to_do,
    one_of
FROM
(
    SELECT * FROM clickstream._health_whole(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM clickstream._health_shares(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM clickstream._health_one_user(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM clickstream._health_one_event_id(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM clickstream._health_missing_posts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, finding = 'posts_not_stored')
    UNION ALL
    SELECT * FROM clickstream._health_missing_posts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, finding = 'repeated_events')
    UNION ALL
    SELECT * FROM clickstream._health_placeholder_ids(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
) AS counted
INNER JOIN clickstream._health_checks AS checks USING (finding)
COMMENT 'Parameterised: instrumentation_health of one search in so many';

CREATE OR REPLACE VIEW clickstream.instrumentation_health ON CLUSTER 'blue'
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM clickstream._instrumentation_health(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
COMMENT 'Parameterised: what is wrong in how searches and events are sent, one row a check';

