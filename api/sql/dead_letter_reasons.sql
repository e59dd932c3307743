-- What /analytics/pipeline says of dead letters: one row per reason.
SELECT reason, count() AS records, toUnixTimestamp64Milli(max(failed_at)) AS latest_at
FROM dead_letters FINAL
GROUP BY reason
ORDER BY records DESC, reason
LIMIT 100
