// Scenarios about one consumer: filters, where it starts, where it resumes, order, retry.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// The last message of the queue matches, so when it is there, everything before it was decided.
func tagFilter(ctx context.Context) error {
	topic, err := newTopic(ctx, "filter", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	for _, tag := range []string{"A", "C", "", "B", "C", "A", "Aa", "B"} {
		message := primitive.NewMessage(topic, []byte("tag "+tag))
		if tag != "" {
			message.WithTag(tag)
		}
		if err := sendOK(ctx, client, message); err != nil {
			return err
		}
	}
	in, err := startConsumer(topic, unique("filter"), "A || B", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	if err := await(ctx, "two A and two B", func() bool {
		counts := in.counts()
		return counts["tag A"] == 2 && counts["tag B"] == 2
	}); err != nil {
		return fmt.Errorf("%w, got %v", err, in.counts())
	}
	if counts := in.counts(); len(counts) != 2 {
		return fmt.Errorf("the filter A || B let through %v", counts)
	}
	return nil
}

// sqlFilter selects by properties; a tag is one of them.
func sqlFilter(ctx context.Context) error {
	topic, err := newTopic(ctx, "sql", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	send := func(from, to int) error {
		for amount := from; amount < to; amount++ {
			message := primitive.NewMessage(topic, []byte(fmt.Sprint(amount)))
			if amount%2 == 0 {
				message.WithTag("even")
			}
			message.WithProperty("amount", fmt.Sprint(amount))
			if err := sendOK(ctx, client, message); err != nil {
				return err
			}
		}
		return nil
	}
	if err := send(0, 20); err != nil {
		return err
	}
	selector := consumer.MessageSelector{Type: consumer.SQL92, Expression: "TAGS IS NOT NULL AND amount NOT BETWEEN 3 AND 99"}
	in, err := startSelecting(topic, unique("sql"), selector, succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	if err := in.awaitTexts(ctx, "0", "2"); err != nil {
		return err
	}
	// Now the consumer waits at the end of the queue.
	if err := send(98, 103); err != nil {
		return err
	}
	return in.awaitExactly(ctx, "0", "2", "100", "102")
}

// pull asks for offsets by itself, as stream readers do.
func pull(ctx context.Context) error {
	topic, err := newTopic(ctx, "pull", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	if err := sendTexts(ctx, client, topic, numbered("pull", 10)...); err != nil {
		return err
	}
	queues, err := route(ctx, topic)
	if err != nil {
		return err
	}

	reader, err := rocketmq.NewPullConsumer(
		consumer.WithNameServer([]string{namesrv}),
		consumer.WithGroupName(unique("pull")),
		consumer.WithInstance(unique("instance")))
	if err != nil {
		return err
	}
	if err := reader.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}); err != nil {
		return err
	}
	if err := reader.Start(); err != nil {
		return err
	}
	defer reader.Shutdown()
	result, err := reader.PullFrom(ctx, queues[0], 3, 4)
	if err != nil {
		return err
	}
	if result.Status != primitive.PullFound || result.NextBeginOffset != 7 || result.MinOffset != 0 || result.MaxOffset != 10 {
		return fmt.Errorf("pull of 4 at 3: %s", result)
	}
	// What arrives is the frames; the messages are decoded from them on demand.
	for i, message := range primitive.DecodeMessage(result.GetBody()) {
		if want := fmt.Sprintf("pull-%d", 3+i); string(message.Body) != want {
			return fmt.Errorf("pulled %q, want %q", message.Body, want)
		}
	}
	return nil
}

// First, last and timestamp differ only where the server holds no offset, and for a clustering group
// on a young topic the server answers 0 whatever the client prefers. A broadcast group keeps its
// offsets itself, so here its choice reaches the server as max-offset and offset-by-time queries.
func consumeFrom(ctx context.Context) error {
	topic, err := newTopic(ctx, "from", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()

	if err := sendTexts(ctx, client, topic, numbered("old", 5)...); err != nil {
		return err
	}
	// The client's time has seconds only: let the next messages fall into a later one.
	border := time.Now().Truncate(time.Second).Add(2 * time.Second)
	if err := await(ctx, "the next second", func() bool { return time.Now().After(border.Add(50 * time.Millisecond)) }); err != nil {
		return err
	}
	if err := sendTexts(ctx, client, topic, numbered("new", 5)...); err != nil {
		return err
	}

	start := func(name string, where consumer.ConsumeFromWhere, options ...consumer.Option) (*inbox, error) {
		options = append(options, consumer.WithConsumeFromWhere(where), consumer.WithConsumerModel(consumer.BroadCasting))
		return startConsumer(topic, unique(name), "*", succeed, options...)
	}
	first, err := start("first", consumer.ConsumeFromFirstOffset)
	if err != nil {
		return err
	}
	defer first.stop()
	// The client parses this time as UTC.
	byTime, err := start("time", consumer.ConsumeFromTimestamp,
		consumer.WithConsumeTimestamp(border.UTC().Format("20060102150405")))
	if err != nil {
		return err
	}
	defer byTime.stop()
	last, err := start("last", consumer.ConsumeFromLastOffset)
	if err != nil {
		return err
	}
	defer last.stop()
	young, err := startConsumer(topic, unique("young"), "*", succeed, consumer.WithConsumeFromWhere(consumer.ConsumeFromLastOffset))
	if err != nil {
		return err
	}
	defer young.stop()

	everything := append(numbered("old", 5), numbered("new", 5)...)
	if err := first.awaitExactly(ctx, everything...); err != nil {
		return fmt.Errorf("first: %w", err)
	}
	if err := byTime.awaitExactly(ctx, numbered("new", 5)...); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	if err := young.awaitExactly(ctx, everything...); err != nil {
		return fmt.Errorf("last, clustering, young topic: %w", err)
	}
	// When the consumer at the end asked for its start is not visible: send until one arrives.
	if err := await(ctx, "a message behind the last", func() bool {
		return sendTexts(ctx, client, topic, "probe") == nil && len(last.all()) > 0
	}); err != nil {
		return err
	}
	if counts := last.counts(); len(counts) != 1 {
		return fmt.Errorf("last: consumed older messages: %v", counts)
	}
	return nil
}

// A group that comes back goes on where it committed.
func resumeFromCommitted(ctx context.Context) error {
	topic, err := newTopic(ctx, "resume", 2)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	group := unique("resume")

	if err := sendTexts(ctx, client, topic, numbered("before", 10)...); err != nil {
		return err
	}
	in, err := startConsumer(topic, group, "*", succeed)
	if err != nil {
		return err
	}
	if err := in.awaitExactly(ctx, numbered("before", 10)...); err != nil {
		return err
	}
	// The client commits in the background, ten seconds after its start for the first time, and tells
	// nobody. It commits on leaving too, but closes the connection so abruptly that the kernel may throw
	// the last request away.
	time.Sleep(time.Until(in.started.Add(11 * time.Second)))
	in.leave()

	if err := sendTexts(ctx, client, topic, numbered("after", 10)...); err != nil {
		return err
	}
	again, err := startConsumer(topic, group, "*", succeed)
	if err != nil {
		return err
	}
	defer again.stop()
	return again.awaitExactly(ctx, numbered("after", 10)...)
}

// Messages of one sharding key stay in one queue and are consumed in order, also when the consumer
// suspends the queue once and gets the message again.
func ordered(ctx context.Context) error {
	const keys, perKey = 6, 20
	topic, err := newTopic(ctx, "order", 4)
	if err != nil {
		return err
	}
	client, err := startProducer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	if err != nil {
		return err
	}
	defer client.Shutdown()
	for i := 0; i < perKey; i++ {
		for key := 0; key < keys; key++ {
			message := primitive.NewMessage(topic, []byte(fmt.Sprintf("%d/%d", key, i))).WithShardingKey(fmt.Sprintf("key-%d", key))
			if err := sendOK(ctx, client, message); err != nil {
				return err
			}
		}
	}

	const suspended = "2/7"
	var once sync.Once
	in, err := startConsumer(topic, unique("order"), "*", func(_ context.Context, message *primitive.MessageExt) consumer.ConsumeResult {
		result := consumer.ConsumeSuccess
		if string(message.Body) == suspended {
			once.Do(func() { result = consumer.SuspendCurrentQueueAMoment })
		}
		return result
	}, consumer.WithConsumerOrder(true), consumer.WithSuspendCurrentQueueTimeMillis(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer in.stop()

	// Every message, and the suspended one twice.
	if err := await(ctx, "all ordered messages", func() bool { return len(in.all()) >= keys*perKey+1 }); err != nil {
		return fmt.Errorf("%w: %d of %d", err, len(in.all()), keys*perKey+1)
	}
	next := map[string]int{}
	queue := map[string]int{}
	repeated := false
	for _, message := range in.all() {
		var key, i int
		if _, err := fmt.Sscanf(string(message.Body), "%d/%d", &key, &i); err != nil {
			return err
		}
		shard := message.GetShardingKey()
		if seen, known := queue[shard]; known && seen != message.Queue.QueueId {
			return fmt.Errorf("%s lies in queues %d and %d", shard, seen, message.Queue.QueueId)
		}
		queue[shard] = message.Queue.QueueId
		if string(message.Body) == suspended && !repeated {
			repeated = true // Not done yet: it comes once more, before its successor.
			continue
		}
		if i != next[shard] {
			return fmt.Errorf("%s: consumed %d, want %d", shard, i, next[shard])
		}
		next[shard]++
	}
	return nil
}

// A message the group refuses comes back with a counted retry, and after the last one lies in the
// dead-letter topic.
func retryThenDeadLetter(ctx context.Context) error {
	const retries = 2
	topic, err := newTopic(ctx, "retry", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	group := unique("retry")
	refuse := func(_ context.Context, message *primitive.MessageExt) consumer.ConsumeResult {
		if message.GetTags() == "bad" {
			return consumer.ConsumeRetryLater
		}
		return consumer.ConsumeSuccess
	}

	// The group's heartbeat makes the server create its retry topic, but this client looks for new
	// routes only every 30 s. So the group shows up once, and starts again when the route is there.
	herald, err := startConsumer(topic, group, "*", refuse, consumer.WithMaxReconsumeTimes(retries))
	if err != nil {
		return err
	}
	err = awaitRoute(ctx, "%RETRY%"+group, 1)
	herald.leave()
	if err != nil {
		return err
	}
	in, err := startConsumer(topic, group, "*", refuse, consumer.WithMaxReconsumeTimes(retries))
	if err != nil {
		return err
	}
	defer in.stop()

	bad := primitive.NewMessage(topic, []byte("poison")).WithTag("bad").WithKeys([]string{"poison-key"})
	bad.WithProperty("colour", "red")
	if err := sendOK(ctx, client, bad); err != nil {
		return err
	}
	if err := sendTexts(ctx, client, topic, "good"); err != nil {
		return err
	}
	if err := awaitRoute(ctx, "%DLQ%"+group, 1); err != nil {
		return fmt.Errorf("%w, consumed %v", err, in.counts())
	}
	dead, err := startConsumer("%DLQ%"+group, unique("undertaker"), "*", succeed)
	if err != nil {
		return err
	}
	defer dead.stop()
	if err := dead.awaitExactly(ctx, "poison"); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	if letter := dead.all()[0]; letter.GetProperty("colour") != "red" || letter.GetKeys() != "poison-key" ||
		letter.GetProperty(primitive.PropertyRetryTopic) != topic {
		return fmt.Errorf("the dead letter has %v", letter.GetProperties())
	}

	if counts := in.counts(); counts["poison"] != 1+retries || counts["good"] != 1 {
		return fmt.Errorf("consumed %v, want the poison %d times", counts, 1+retries)
	}
	reconsumed := int32(0)
	for _, message := range in.all() {
		if string(message.Body) != "poison" {
			continue
		}
		if message.ReconsumeTimes != reconsumed || message.GetProperty("colour") != "red" {
			return fmt.Errorf("delivery %d counts %d retries, properties %v", reconsumed, message.ReconsumeTimes, message.GetProperties())
		}
		reconsumed++
	}
	return nil
}
