SELECT
    assumeNotNull(session_day) AS session_day,
    search_query,
    count() AS sessions,
    countIf(impressions = 0) AS zero_result_sessions,
    countIf(impressions > 0 AND clicks = 0) AS sessions_without_click,
    countIf(clicks > 0) AS sessions_with_click
FROM {{ source('clickstream', 'session_outcomes') }}
WHERE isNotNull(session_outcomes.session_day)
{% if is_incremental() %}
    AND session_outcomes.session_day >= today() - {{ var('days_recomputed') }}
{% endif %}
GROUP BY session_day, search_query
