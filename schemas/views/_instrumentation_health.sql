-- What says something of a day, or of one search or number, is asked of all of them, whatever `one_of` is.
CREATE OR REPLACE VIEW _instrumentation_health
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
    SELECT * FROM _health_whole(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM _health_shares(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM _health_one_user(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM _health_one_event_id(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    UNION ALL
    SELECT * FROM _health_missing_posts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, finding = 'posts_not_stored')
    UNION ALL
    SELECT * FROM _health_missing_posts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, finding = 'repeated_events')
    UNION ALL
    SELECT * FROM _health_placeholder_ids(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
) AS counted
INNER JOIN _health_checks AS checks USING (finding)
COMMENT 'Parameterised: instrumentation_health of one search in so many'
