-- docs/decisions/0012-facts-of-the-running-day.md has the argument and the figures.
CREATE OR REPLACE VIEW _day_parts
(
    session_day Date COMMENT 'The day',
    table String COMMENT 'sessions or events',
    part String COMMENT 'A part that is read now',
    content UInt128 COMMENT 'Checksum of what it holds',
    rows UInt64 COMMENT 'How many rows',
    changed_at DateTime COMMENT 'When it was made'
)
AS SELECT
    toDate(partition) AS session_day,
    table,
    name AS part,
    reinterpretAsUInt128(sipHash128(table, hash_of_all_files)) AS content,
    rows,
    modification_time AS changed_at
FROM system.parts
WHERE active
    AND table IN ('sessions', 'events')
    -- Of this database, whichever the reader's own is.
    AND database = (SELECT any(_database) FROM _schema_files)
COMMENT 'What each day consists of now'
