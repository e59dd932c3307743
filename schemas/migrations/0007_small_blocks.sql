-- nodes: LOCAL
-- Cheaper point reads (docs/decisions/0011-small-blocks.md). To read one row, ClickHouse unpacks one
-- block of every column and opens one file for every stream of it. Blocks of 8 to 32 KiB in place of
-- 64 KiB and more, and lengths beside their strings in place of a stream of their own, take a third
-- off GET /session; scans become faster, too. Parts that exist follow when they are merged next.

ALTER TABLE sessions
    MODIFY SETTING
        min_compress_block_size = 8192,
        max_compress_block_size = 32768,
        string_serialization_version = 'single_stream';

ALTER TABLE events
    MODIFY SETTING
        min_compress_block_size = 8192,
        max_compress_block_size = 32768,
        string_serialization_version = 'single_stream';

ALTER TABLE session_marks
    MODIFY SETTING
        min_compress_block_size = 8192,
        max_compress_block_size = 32768,
        string_serialization_version = 'single_stream';
