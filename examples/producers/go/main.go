// Command producer sends one CloudEvent to troth with the CloudEvents SDK of Go, over HTTP or Kafka.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

const timeout = 30 * time.Second

// given is the command line, the same in every language.
type given struct {
	to, mode, kind, source, id, key, data, time string
}

func commandLine() (given, error) {
	var g given
	wanted := map[string]*string{
		"to": &g.to, "mode": &g.mode, "type": &g.kind, "source": &g.source, "id": &g.id,
		"key": &g.key, "data": &g.data,
	}
	for name, value := range wanted {
		flag.StringVar(value, name, "", "")
	}
	flag.StringVar(&g.time, "time", "", "RFC 3339; now, where it is left out")
	flag.Parse()
	for name, value := range wanted {
		if *value == "" {
			return g, fmt.Errorf("missing: --%s", name)
		}
	}
	if g.mode != "binary" && g.mode != "structured" {
		return g, fmt.Errorf("--mode binary|structured")
	}
	return g, nil
}

// eventOf makes the event; the SDK makes the key of its record from `partitionkey`.
func eventOf(g given) (cloudevents.Event, error) {
	event := cloudevents.NewEvent()
	event.SetType(g.kind)
	event.SetSource(g.source)
	event.SetID(g.id)
	event.SetExtension("partitionkey", g.key)
	at := time.Now()
	if g.time != "" {
		parsed, err := time.Parse(time.RFC3339Nano, g.time)
		if err != nil {
			return event, err
		}
		at = parsed
	}
	event.SetTime(at)
	err := event.SetData(cloudevents.ApplicationJSON, json.RawMessage(g.data))
	return event, err
}

// overHTTP posts the event to /v1/events with the key of TROTH_KEY.
func overHTTP(ctx context.Context, event cloudevents.Event, g given) error {
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, strings.TrimSuffix(g.to, "/")+"/v1/events", nil)
	if err != nil {
		return err
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&event), request); err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TROTH_KEY"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%d %s", answer.StatusCode, body)
	}
	fmt.Println(string(body))
	return nil
}

// overKafka sends a record, and waits until every replica in sync has it.
func overKafka(ctx context.Context, event cloudevents.Event, g given) error {
	server, topic, _ := strings.Cut(strings.TrimPrefix(g.to, "kafka://"), "/")
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Timeout = timeout
	config.Producer.Return.Successes = true
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	sender, err := kafka_sarama.NewSender([]string{server}, config, topic)
	if err != nil {
		return err
	}
	defer sender.Close(ctx)
	if err := sender.Send(ctx, binding.ToMessage(&event)); err != nil {
		return err
	}
	fmt.Println("{}")
	return nil
}

func run() error {
	g, err := commandLine()
	if err != nil {
		return err
	}
	event, err := eventOf(g)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if g.mode == "binary" {
		ctx = binding.WithForceBinary(ctx)
	} else {
		ctx = binding.WithForceStructured(ctx)
	}
	if strings.HasPrefix(g.to, "kafka://") {
		return overKafka(ctx, event, g)
	}
	return overHTTP(ctx, event, g)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
