-- What programs write in place of an id that they do not have, as texts of no real id.
CREATE OR REPLACE VIEW _placeholder_ids
AS SELECT arrayJoin([
    'undefined', 'Undefined', 'null', 'Null', 'NULL', 'None', 'none', 'nil', 'NaN', 'nan', '[object Object]',
    '[object Promise]', '[object Undefined]', '(null)', '<null>', 'N/A', 'n/a', '""', '\'\'', '{}', '[]', '-', '--'
]) AS id
COMMENT 'Ids that stand for no id'
