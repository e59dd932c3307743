// A small write edge: net/http, encoding/json, Avro by hand, franz-go. What our edge is measured
// against when the language may be another. It answers 200 once all in-sync replicas have a record.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	maxBody  = 2 << 20
	maxItems = 10_000
	maxID    = 512
)

// topic is where the records of one schema go, and what precedes each of them.
type topic struct {
	client *kgo.Client
	name   string
	header []byte
}

func main() {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("EDGE_BROKERS")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(2*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	sessions, events := topicOf(client, "SESSIONS"), topicOf(client, "EVENTS")

	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := client.Ping(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /session", func(w http.ResponseWriter, r *http.Request) {
		var body session
		if !read(w, r, &body) {
			return
		}
		record := body.avro(sessions.header, time.Now().UnixMilli())
		sessions.write(w, r, body.SessionID, [][]byte{record})
	})
	mux.HandleFunc("POST /session/events", func(w http.ResponseWriter, r *http.Request) {
		var body eventList
		if !read(w, r, &body) {
			return
		}
		records := body.avro(events.header, time.Now().UnixMilli())
		events.write(w, r, body.SessionID, records)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}

func topicOf(client *kgo.Client, name string) topic {
	id, err := strconv.ParseUint(os.Getenv("EDGE_"+name+"_SCHEMA_ID"), 10, 32)
	if err != nil {
		log.Fatal(err)
	}
	header := []byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
	return topic{client, os.Getenv("EDGE_" + name + "_TOPIC"), header}
}

type validated interface{ problem() string }

func read(w http.ResponseWriter, r *http.Request, body validated) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return false
	}
	if problem := body.problem(); problem != "" {
		http.Error(w, problem, http.StatusUnprocessableEntity)
		return false
	}
	return true
}

// write answers once every record is acknowledged.
func (t topic) write(w http.ResponseWriter, r *http.Request, key string, values [][]byte) {
	records := make([]*kgo.Record, len(values))
	for i, value := range values {
		records[i] = &kgo.Record{Topic: t.name, Key: []byte(key), Value: value}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	if err := t.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer, err := json.Marshal(accepted{key, len(values)})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}
