package main

import (
	"context"
	"fmt"
	"math"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Before the Avro body: a zero byte and the schema's id.
const wireHeader = 5

type event struct {
	SessionID  string  `avro:"session_id"`
	EventID    string  `avro:"event_id"`
	ObjectID   string  `avro:"object_id"`
	EventType  string  `avro:"event_type"`
	CreatedAt  int64   `avro:"created_at"`
	Meta       *string `avro:"meta"`
	ReceivedAt int64   `avro:"received_at"`
}

// columns are a batch as ClickHouse takes it.
type columns struct {
	sessionID, eventID, objectID, eventType []string
	createdAt, receivedAt                   []int64
	meta                                    []*string
	partition                               []uint32
	version                                 []uint64
}

func decode(schema avro.Schema, records []*kgo.Record) (*columns, error) {
	n := len(records)
	c := &columns{
		make([]string, n), make([]string, n), make([]string, n), make([]string, n),
		make([]int64, n), make([]int64, n), make([]*string, n), make([]uint32, n), make([]uint64, n),
	}
	for i, record := range records {
		var e event
		if len(record.Value) < wireHeader {
			return nil, fmt.Errorf("offset %d of partition %d is too short", record.Offset, record.Partition)
		}
		if err := avro.Unmarshal(schema, record.Value[wireHeader:], &e); err != nil {
			return nil, err
		}
		c.sessionID[i], c.eventID[i], c.objectID[i] = e.SessionID, e.EventID, e.ObjectID
		c.eventType[i], c.meta[i] = e.EventType, e.Meta
		c.createdAt[i], c.receivedAt[i] = e.CreatedAt, e.ReceivedAt
		c.partition[i] = uint32(record.Partition)
		c.version[i] = math.MaxUint64 - uint64(record.Offset) // the lowest offset wins
	}
	return c, nil
}

func (c *columns) insert(ctx context.Context, connection driver.Conn) error {
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO copied_events")
	if err != nil {
		return err
	}
	defer batch.Close()
	for i, column := range []any{
		c.sessionID, c.eventID, c.objectID, c.eventType,
		c.createdAt, c.meta, c.receivedAt, c.partition, c.version,
	} {
		if err := batch.Column(i).Append(column); err != nil {
			return err
		}
	}
	return batch.Send()
}
