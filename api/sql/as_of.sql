-- When a worker last noted that session_facts is whole up to an offset.
SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(noted_at))) AS as_of FROM facts_progress
