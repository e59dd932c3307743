-- `least`: with fewer of them, nothing is found.
CREATE OR REPLACE VIEW _health_checks
AS SELECT
    check.1 AS finding, check.2 AS least, check.3 AS threshold, check.4 AS meaning, check.5 AS what_to_do
FROM
(
    SELECT arrayJoin([
    ('searches_without_events', toUInt64(20), toFloat64(0),
        concat(
            'Searches in 24 hours (counted back from the end of the range) in which 20 or more searches came ',
            'and not one event of any of them.'),
        concat(
            'See that the page posts events, with the session_id of its search, and what status it gets: ',
            '`clickstream tail` shows both while you click.')),
    ('unlisted_clicks', toUInt64(100), toFloat64(0.05),
        'Clicks on objects that the list of their search does not have.',
        concat(
            'Send the same object_id with the result and with the click; post all pages that were shown as one ',
            'list; use a new session_id for each search.')),
    ('clicks_at_position_1', toUInt64(100), toFloat64(0.95),
        'Clicked results that were the first of a list of several.',
        concat(
            'See that each result has an object_id of its own, that the list is sent in the order in which it ',
            'was shown, and whole.')),
    ('one_user', toUInt64(1000), toFloat64(0.1),
        'Searches of the user_id that has most of them, of all with a user_id.',
        concat(
            'If it is a backend or a default that stands for everybody, send the id of the person, or none; if ',
            'it is a bot or a monitor, mark its sessions as irrelevant.')),
    ('one_session', toUInt64(1000), toFloat64(0.05),
        'Events of the search that has most of them.',
        concat(
            'If its session_id stands for a visit or for everybody, make a new one for each search; if it is a ',
            'bot, mark the session as irrelevant.')),
    ('one_event_id', toUInt64(1000), toFloat64(0.5),
        concat(
            'Events that share the most frequent event_id, while no search has a second click: of the events of ',
            'a search with the same id only the first is stored.'),
        concat(
            'Give each event of a search an id of its own, such as a UUID, and keep it when the same event is ',
            'sent again.')),
    ('event_mix', toUInt64(100), toFloat64(0.25),
        concat(
            'Events of the newest 24 hours whose type is more frequent than in the days before: so many would ',
            'have to be of another type for the mix to be the same.'),
        concat(
            'Look for what was released then: a page that has stopped sending a type of event, or sends it ',
            'twice or under another name.')),
    ('clock_skew', toUInt64(100), toFloat64(0.01),
        concat(
            'Searches that say they were made more than a minute after they were received, or that have an ',
            'event more than a second before them.'),
        concat(
            'Take created_at of a search and of its events from the same clock, in UTC, or leave it out: then ',
            'it is the time of receipt.')),
    ('posts_not_stored', toUInt64(100), toFloat64(0.05),
        concat(
            'Posts of searches, from the first to the last that is stored of the range (by time of receipt), that ',
            'are not stored: of a session_id only the first post is; dead letters and what was ',
            'erased are not, either.'),
        concat(
            'Use a new session_id for each search, also for the same query again; `clickstream dlq list` shows ',
            'whether they are dead letters.')),
    ('repeated_events', toUInt64(1000), toFloat64(0.05),
        concat(
            'Posts of events of the newest 24 hours (by time of receipt) that are not stored, do not wait and are ',
            'no dead letters, of all between the first and the last that is stored. The first event of an id in ',
            'a search stands, so each that is sent again is not stored; those that were erased are not, either.'),
        concat(
            'Send an event once, and again only when its post was not answered. Give each event of a search an id ',
            'of its own, not that of the object or the page: of two events with one id the second is lost.')),
    ('placeholder_ids', toUInt64(1), toFloat64(0),
        concat(
            'Searches and events with an id that a program writes when it has none, such as undefined, null or ',
            '[object Object].'),
        concat(
            'Send user_id only when there is one; see where the page takes the other ids from: all searches ',
            'that share a session_id count as one.'))
    ]) AS check
)
COMMENT 'When a check has found something, and what that means'
