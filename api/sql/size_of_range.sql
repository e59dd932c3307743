-- How much a range holds, by and large: rows that are replaced are counted as well.
SELECT count() AS sessions, sum(results) AS impressions
FROM session_facts
WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
