-- Sums are kept beside the quotient: days add up by their sums, never by their rates.
SELECT
    assumeNotNull(session_day) AS session_day,
    dimensions['{{ var("device_path") }}'] AS device,
    count() AS sessions,
    countIf(clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS session_ctr
FROM {{ source('clickstream', 'session_outcomes') }}
WHERE isNotNull(session_outcomes.session_day)
{% if is_incremental() %}
    AND session_outcomes.session_day >= today() - {{ var('days_recomputed') }}
{% endif %}
GROUP BY session_day, device
