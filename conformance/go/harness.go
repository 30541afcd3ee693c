// What every scenario needs: unique names, topics that exist, clients, and an inbox that can be
// waited for. Waiting always has a condition and the scenario's deadline, never a fixed sleep.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Poll interval of awaited conditions.
const tick = 20 * time.Millisecond

var serial atomic.Int64

// unique makes a topic, group or instance name no other run uses.
func unique(name string) string {
	return fmt.Sprintf("go_%s_%d_%d", name, os.Getpid(), serial.Add(1))
}

// await returns when the condition holds, or with what was missing at the deadline.
func await(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in time: %s", what)
		case <-time.After(tick):
		}
	}
	return nil
}

func newAdmin() (admin.Admin, error) {
	return admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{namesrv})))
}

// makeTopic creates a topic and waits until the name server routes all its queues. The Go consumer
// refuses to start on a topic without a route. The admin client drops the server's refusal on the
// floor, so the route is the only proof.
func makeTopic(ctx context.Context, topic string, queues int) error {
	client, err := newAdmin()
	if err != nil {
		return err
	}
	defer client.Close()
	err = client.CreateTopic(ctx, admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
	if err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	return awaitRoute(ctx, topic, queues)
}

// route asks the name server for the topic's queues. An admin client asks once per topic and answers
// from memory for ever after, so each question takes a client of its own.
func route(ctx context.Context, topic string) ([]*primitive.MessageQueue, error) {
	client, err := newAdmin()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.FetchPublishMessageQueues(ctx, topic)
}

func awaitRoute(ctx context.Context, topic string, queues int) error {
	return await(ctx, fmt.Sprintf("a route of %s with %d queues", topic, queues), func() bool {
		found, err := route(ctx, topic)
		return err == nil && len(found) == queues
	})
}

// newTopic is makeTopic with a unique name.
func newTopic(ctx context.Context, name string, queues int) (string, error) {
	topic := unique(name)
	return topic, makeTopic(ctx, topic, queues)
}

// startProducer starts a producer with a connection of its own.
func startProducer(options ...producer.Option) (rocketmq.Producer, error) {
	options = append([]producer.Option{
		producer.WithNameServer([]string{namesrv}),
		producer.WithGroupName(unique("producer")),
		producer.WithInstanceName(unique("instance")),
		producer.WithRetry(2),
	}, options...)
	client, err := rocketmq.NewProducer(options...)
	if err != nil {
		return nil, err
	}
	return client, client.Start()
}

// sendTexts sends one message per text, synchronously, and insists on SEND_OK.
func sendTexts(ctx context.Context, client rocketmq.Producer, topic string, texts ...string) error {
	for _, text := range texts {
		if err := sendOK(ctx, client, primitive.NewMessage(topic, []byte(text))); err != nil {
			return err
		}
	}
	return nil
}

// busy says that the server asked for a later try: SYSTEM_BUSY (2), stored nothing.
func busy(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "CODE: 2,")
}

func sendOK(ctx context.Context, client rocketmq.Producer, messages ...*primitive.Message) error {
	result, err := client.SendSync(ctx, messages...)
	for busy(err) && ctx.Err() == nil {
		time.Sleep(tick)
		result, err = client.SendSync(ctx, messages...)
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if result.Status != primitive.SendOK {
		return fmt.Errorf("send status %d", result.Status)
	}
	return nil
}

// numbered gives prefix-0 … prefix-(count-1).
func numbered(prefix string, count int) []string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return texts
}

// inbox keeps what a consumer was given, in the order of the calls.
type inbox struct {
	mutex    sync.Mutex
	messages []*primitive.MessageExt
	client   rocketmq.PushConsumer
	started  time.Time
}

func (in *inbox) put(message *primitive.MessageExt) {
	in.mutex.Lock()
	in.messages = append(in.messages, message)
	in.mutex.Unlock()
}

func (in *inbox) all() []*primitive.MessageExt {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	return append([]*primitive.MessageExt(nil), in.messages...)
}

// counts says how often each body came.
func (in *inbox) counts() map[string]int {
	counts := map[string]int{}
	for _, message := range in.all() {
		counts[string(message.Body)]++
	}
	return counts
}

// missing lists the texts that have not come.
func (in *inbox) missing(texts []string) (missing []string) {
	counts := in.counts()
	for _, text := range texts {
		if counts[text] == 0 {
			missing = append(missing, text)
		}
	}
	return missing
}

// awaitTexts waits until every text came at least once.
func (in *inbox) awaitTexts(ctx context.Context, texts ...string) error {
	if err := await(ctx, "", func() bool { return len(in.missing(texts)) == 0 }); err != nil {
		missing := in.missing(texts)
		return fmt.Errorf("%d of %d messages not consumed, first %q", len(missing), len(texts), missing[0])
	}
	return nil
}

// awaitExactly is awaitTexts, and nothing else and nothing twice.
func (in *inbox) awaitExactly(ctx context.Context, texts ...string) error {
	if err := in.awaitTexts(ctx, texts...); err != nil {
		return err
	}
	if got := len(in.all()); got != len(texts) {
		return fmt.Errorf("consumed %d messages, want %d: %v", got, len(texts), in.counts())
	}
	return nil
}

func (in *inbox) stop() { _ = in.client.Shutdown() }

// leave is stop for a member whose group goes on. This client never says goodbye, it closes its
// connection, and its heartbeats go out at the start and one second later. When one is under way at
// that moment, the Java broker handles the close first and the heartbeat second, and a dead member
// holds its queues for two minutes. So nobody leaves younger than two seconds.
func (in *inbox) leave() {
	time.Sleep(time.Until(in.started.Add(2 * time.Second)))
	in.stop()
}

// handler decides about one message after it was put into the inbox.
type handler func(ctx context.Context, message *primitive.MessageExt) consumer.ConsumeResult

func succeed(context.Context, *primitive.MessageExt) consumer.ConsumeResult {
	return consumer.ConsumeSuccess
}

// startConsumer starts a push consumer from the first offset, with a connection of its own (two
// members of a group in one process need that).
func startConsumer(topic, group, tags string, handle handler, options ...consumer.Option) (*inbox, error) {
	return startSelecting(topic, group, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, handle, options...)
}

// startSelecting is startConsumer for any kind of expression.
func startSelecting(topic, group string, selector consumer.MessageSelector, handle handler, options ...consumer.Option) (*inbox, error) {
	options = append([]consumer.Option{
		consumer.WithNameServer([]string{namesrv}),
		consumer.WithGroupName(group),
		consumer.WithInstance(unique("instance")),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
	client, err := rocketmq.NewPushConsumer(options...)
	if err != nil {
		return nil, err
	}
	in := &inbox{client: client, started: time.Now()}
	err = client.Subscribe(topic, selector, func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		result := consumer.ConsumeSuccess
		for _, message := range messages {
			in.put(message)
			if r := handle(ctx, message); r != consumer.ConsumeSuccess {
				result = r
			}
		}
		return result, nil
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(); err != nil {
		return nil, fmt.Errorf("start consumer: %w", err)
	}
	return in, nil
}
