-- Refused events of one id since a time, the latest first. The ids are in the bytes that came: after the five
-- bytes of the wire format, Avro has the session id behind its length, then the event id behind its own. A length
-- is one byte with twice its value, or two when it is above 63; an id has 512 bytes at most.
WITH
    reinterpretAsUInt8(substring(ifNull(value, ''), 6, 1)) AS low,
    reinterpretAsUInt8(substring(ifNull(value, ''), 7, 1)) AS high,
    if(low < 128, intDiv(low, 2), intDiv(low - 128 + high * 128, 2)) AS length,
    if(low < 128, 7, 8) AS start
SELECT
    toValidUTF8(substring(ifNull(value, ''), start, length)) AS session_id,
    topic,
    first_partition,
    first_offset,
    first_epoch,
    attempt,
    reason,
    error,
    toUnixTimestamp64Milli(failed_at) AS failed_at_ms
FROM dead_letters
PREWHERE topic = {topic:String} AND failed_at >= fromUnixTimestamp64Milli({since_ms:Int64})
WHERE startsWith(substring(ifNull(value, ''), start + length), unhex({id_hex:String}))
ORDER BY failed_at DESC, epoch DESC, attempt DESC, first_offset
LIMIT {rows:UInt32}
