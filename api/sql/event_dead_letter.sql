-- The last attempt of an event that was refused. Its ids are in the bytes that came: after the five bytes
-- of the wire format, Avro has the session id and the event id, each behind its length. The key is
-- compared first, because it is short; a record of a wrong key has another one, or none.
SELECT
    topic,
    first_partition,
    first_offset,
    first_epoch,
    attempt,
    reason,
    error,
    toUnixTimestamp64Milli(failed_at) AS failed_at_ms
FROM dead_letters
PREWHERE topic = {topic:String} AND (key IN {session_ids:Array(String)} OR reason = 'wrong_key')
WHERE startsWith(substring(ifNull(value, ''), 6), unhex({ids_hex:String}))
ORDER BY epoch DESC, attempt DESC, failed_at DESC
LIMIT 1
