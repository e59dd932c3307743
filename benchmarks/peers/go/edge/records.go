package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"unicode/utf8"
)

type result struct {
	ObjectID string          `json:"object_id"`
	Rank     *float64        `json:"rank"`
	Meta     json.RawMessage `json:"meta"`
}

type session struct {
	SessionID     string          `json:"session_id"`
	SearchQuery   *string         `json:"search_query"`
	SearchResults []result        `json:"search_results"`
	SearchMeta    json.RawMessage `json:"search_meta"`
	PayloadFilter json.RawMessage `json:"payload_filter"`
	SortBy        json.RawMessage `json:"sort_by"`
	UserID        *string         `json:"user_id"`
	CreatedAt     *int64          `json:"created_at"`
}

type event struct {
	EventID   string          `json:"event_id"`
	ObjectID  string          `json:"object_id"`
	EventType *string         `json:"event_type"`
	CreatedAt *int64          `json:"created_at"`
	Meta      json.RawMessage `json:"meta"`
}

type eventList struct {
	SessionID string  `json:"session_id"`
	Events    []event `json:"events"`
}

type accepted struct {
	SessionID string `json:"session_id"`
	Accepted  int    `json:"accepted"`
}

func (s *session) problem() string {
	switch {
	case !isID(s.SessionID):
		return "session_id must have 1 to 512 characters"
	case s.SearchQuery == nil || s.SearchResults == nil:
		return "search_query and search_results are required"
	case len(s.SearchResults) > maxItems:
		return "too many search_results"
	case !isTime(s.CreatedAt):
		return "created_at must be in milliseconds"
	case !isObject(s.SearchMeta) || !isObject(s.PayloadFilter) || !isObject(s.SortBy):
		return "search_meta, payload_filter and sort_by must be objects"
	}
	for i := range s.SearchResults {
		if r := &s.SearchResults[i]; !isID(r.ObjectID) || !isObject(r.Meta) {
			return "a search result is wrong"
		}
	}
	return ""
}

func (l *eventList) problem() string {
	if !isID(l.SessionID) || len(l.Events) == 0 || len(l.Events) > maxItems {
		return "session_id and 1 to 10,000 events are required"
	}
	for i := range l.Events {
		e := &l.Events[i]
		if !isID(e.EventID) || !isID(e.ObjectID) || !isTime(e.CreatedAt) || !isObject(e.Meta) ||
			(e.EventType != nil && !isID(*e.EventType)) {
			return "an event is wrong"
		}
	}
	return ""
}

func (s *session) avro(header []byte, now int64) []byte {
	out := append(make([]byte, 0, 256+64*len(s.SearchResults)), header...)
	out = appendString(out, s.SessionID)
	out = appendString(out, *s.SearchQuery)
	if len(s.SearchResults) > 0 {
		out = binary.AppendVarint(out, int64(len(s.SearchResults)))
		for i := range s.SearchResults {
			r := &s.SearchResults[i]
			out = appendString(out, r.ObjectID)
			if r.Rank == nil {
				out = append(out, 0)
			} else {
				out = binary.LittleEndian.AppendUint64(append(out, 2), math.Float64bits(*r.Rank))
			}
			out = appendMeta(out, r.Meta)
		}
	}
	out = append(out, 0)
	out = appendMeta(out, s.SearchMeta)
	out = appendMeta(out, s.PayloadFilter)
	out = appendMeta(out, s.SortBy)
	if s.UserID == nil {
		out = append(out, 0)
	} else {
		out = appendString(append(out, 2), *s.UserID)
	}
	out = binary.AppendVarint(out, orNow(s.CreatedAt, now))
	return binary.AppendVarint(out, now)
}

func (l *eventList) avro(header []byte, now int64) [][]byte {
	records := make([][]byte, len(l.Events))
	for i := range l.Events {
		e := &l.Events[i]
		kind := "click"
		if e.EventType != nil {
			kind = *e.EventType
		}
		out := append(make([]byte, 0, 256), header...)
		out = appendString(out, l.SessionID)
		out = appendString(out, e.EventID)
		out = appendString(out, e.ObjectID)
		out = appendString(out, kind)
		out = binary.AppendVarint(out, orNow(e.CreatedAt, now))
		out = appendMeta(out, e.Meta)
		records[i] = binary.AppendVarint(out, now)
	}
	return records
}

// Avro's zigzag varint is the one of encoding/binary.
func appendString(out []byte, text string) []byte {
	return append(binary.AppendVarint(out, int64(len(text))), text...)
}

func appendMeta(out []byte, meta json.RawMessage) []byte {
	if isNull(meta) {
		return append(out, 0)
	}
	return append(binary.AppendVarint(append(out, 2), int64(len(meta))), meta...)
}

func isNull(meta json.RawMessage) bool { return len(meta) == 0 || string(meta) == "null" }

func isObject(meta json.RawMessage) bool { return isNull(meta) || meta[0] == '{' }

func isID(text string) bool {
	return text != "" && (len(text) <= maxID || utf8.RuneCountInString(text) <= maxID)
}

func isTime(millis *int64) bool {
	return millis == nil || *millis >= 100_000_000_000 && *millis < 10_000_000_000_000
}

func orNow(millis *int64, now int64) int64 {
	if millis == nil {
		return now
	}
	return *millis
}
