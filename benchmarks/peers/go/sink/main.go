// A small sink: franz-go, hamba/avro, clickhouse-go's native protocol. What our worker is measured
// against when the language may be another. Events of one topic go into `copied_events` in batches,
// unjoined and unvalidated, and their offsets are committed once ClickHouse has them.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// What ends a batch: ClickHouse wants few and large inserts, readers want fresh rows.
	batchRows    = 50_000
	batchSeconds = 300 * time.Millisecond
)

func main() {
	ctx := context.Background()
	schema, err := avro.Parse(os.Getenv("SINK_SCHEMA"))
	if err != nil {
		log.Fatal(err)
	}
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{os.Getenv("SINK_CLICKHOUSE_NATIVE")},
		Auth: clickhouse.Auth{
			Database: os.Getenv("SINK_DATABASE"),
			Username: os.Getenv("SINK_USER"),
			Password: os.Getenv("SINK_PASSWORD"),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("SINK_BROKERS")),
		kgo.ConsumerGroup(os.Getenv("SINK_GROUP")),
		kgo.ConsumeTopics(os.Getenv("SINK_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		log.Fatal(err)
	}
	for {
		records := gather(ctx, client)
		if len(records) > 0 {
			rows, err := decode(schema, records)
			if err != nil {
				log.Fatal(err)
			}
			if err := rows.insert(ctx, connection); err != nil {
				log.Fatal(err)
			}
			if err := client.CommitRecords(ctx, records...); err != nil {
				log.Fatal(err)
			}
		}
		client.AllowRebalance()
	}
}

// gather returns what arrives until a batch is full or old.
func gather(ctx context.Context, client *kgo.Client) []*kgo.Record {
	ctx, cancel := context.WithTimeout(ctx, batchSeconds)
	defer cancel()
	var records []*kgo.Record
	for len(records) < batchRows && ctx.Err() == nil {
		fetches := client.PollRecords(ctx, batchRows-len(records))
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() == nil {
				log.Fatalf("%s/%d: %v", topic, partition, err)
			}
		})
		records = append(records, fetches.Records()...)
	}
	return records
}
