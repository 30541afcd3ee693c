// Scenarios about sending: the ways to send, and what a message carries.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func sendSync(ctx context.Context) error {
	topic, err := newTopic(ctx, "sync", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()

	texts := numbered("sync", 8)
	for i, text := range texts {
		result, err := client.SendSync(ctx, primitive.NewMessage(topic, []byte(text)))
		if err != nil {
			return err
		}
		if result.Status != primitive.SendOK || result.MsgID == "" || len(result.OffsetMsgID) != 32 {
			return fmt.Errorf("send result %s", result)
		}
		if result.QueueOffset != int64(i) || result.MessageQueue.QueueId != 0 {
			return fmt.Errorf("message %d of one queue got %s", i, result)
		}
	}
	in, err := startConsumer(topic, unique("sync"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	return in.awaitExactly(ctx, texts...)
}

func sendAsync(ctx context.Context) error {
	topic, err := newTopic(ctx, "async", 4)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()

	texts := numbered("async", 50)
	for rest := texts; len(rest) > 0; {
		if rest, err = sendAllAsync(ctx, client, topic, rest); err != nil {
			return err
		}
	}
	in, err := startConsumer(topic, unique("async"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	return in.awaitExactly(ctx, texts...)
}

// sendAllAsync has all texts in flight at once and returns those the server was too busy for.
func sendAllAsync(ctx context.Context, client rocketmq.Producer, topic string, texts []string) ([]string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, len(texts))
	for _, text := range texts {
		err := client.SendAsync(ctx, func(_ context.Context, result *primitive.SendResult, err error) {
			if err == nil && result.Status != primitive.SendOK {
				err = fmt.Errorf("send status %d", result.Status)
			}
			answers <- answer{text, err}
		}, primitive.NewMessage(topic, []byte(text)))
		if err != nil {
			return nil, err
		}
	}
	var refused []string
	for range texts {
		select {
		case got := <-answers:
			if busy(got.err) {
				refused = append(refused, got.text)
			} else if got.err != nil {
				return nil, got.err
			}
		case <-ctx.Done():
			return nil, errors.New("an asynchronous send was never answered")
		}
	}
	return refused, nil
}

func sendOneway(ctx context.Context) error {
	topic, err := newTopic(ctx, "oneway", 4)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()

	texts := numbered("oneway", 20)
	for _, text := range texts {
		if err := client.SendOneWay(ctx, primitive.NewMessage(topic, []byte(text))); err != nil {
			return err
		}
	}
	in, err := startConsumer(topic, unique("oneway"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	return in.awaitExactly(ctx, texts...)
}

// A batch is one request of several messages; they land side by side in one queue.
func sendBatch(ctx context.Context) error {
	topic, err := newTopic(ctx, "batch", 4)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()

	texts := numbered("batch", 10)
	var messages []*primitive.Message
	for i, text := range texts {
		messages = append(messages, primitive.NewMessage(topic, []byte(text)).
			WithTag(fmt.Sprintf("tag%d", i)).WithKeys([]string{"key-" + text}))
	}
	result, err := client.SendSync(ctx, messages...)
	if err != nil {
		return err
	}
	if ids := strings.Split(result.OffsetMsgID, ","); result.Status != primitive.SendOK || len(ids) != len(texts) {
		return fmt.Errorf("a batch of %d was answered by %s", len(texts), result)
	}
	in, err := startConsumer(topic, unique("batch"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	if err := in.awaitExactly(ctx, texts...); err != nil {
		return err
	}
	for _, message := range in.all() {
		text := string(message.Body)
		want := strings.TrimPrefix(text, "batch-")
		if got := fmt.Sprint(message.QueueOffset); got != want {
			return fmt.Errorf("%s lies at queue offset %s", text, got)
		}
		if message.Queue.QueueId != result.MessageQueue.QueueId {
			return fmt.Errorf("%s lies in queue %d, the batch in %d", text, message.Queue.QueueId, result.MessageQueue.QueueId)
		}
		if message.GetTags() != "tag"+want || message.GetKeys() != "key-"+text {
			return fmt.Errorf("%s has tag %q and keys %q", text, message.GetTags(), message.GetKeys())
		}
	}
	return nil
}

// The first send to an unknown topic creates it with the queue count the producer asks for: this client
// asks for 4 whatever its option says.
func autoCreateTopic(ctx context.Context) error {
	topic := unique("auto")
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	if err := sendTexts(ctx, client, topic, "first"); err != nil {
		return err
	}
	if err := awaitRoute(ctx, topic, 4); err != nil {
		return err
	}
	in, err := startConsumer(topic, unique("auto"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	return in.awaitExactly(ctx, "first")
}

// roundTrip sends the message to a new topic of one queue and returns it as consumed.
func roundTrip(ctx context.Context, name string, build func(topic string) *primitive.Message, options ...producer.Option) (*primitive.MessageExt, error) {
	topic, err := newTopic(ctx, name, 1)
	if err != nil {
		return nil, err
	}
	client, err := startProducer(options...)
	if err != nil {
		return nil, err
	}
	defer client.Shutdown()
	if err := sendOK(ctx, client, build(topic)); err != nil {
		return nil, err
	}
	in, err := startConsumer(topic, unique(name), "*", succeed)
	if err != nil {
		return nil, err
	}
	defer in.stop()
	if err := await(ctx, "one message", func() bool { return len(in.all()) == 1 }); err != nil {
		return nil, err
	}
	return in.all()[0], nil
}

func keysTagsProperties(ctx context.Context) error {
	before := time.Now().UnixMilli()
	got, err := roundTrip(ctx, "props", func(topic string) *primitive.Message {
		message := primitive.NewMessage(topic, []byte("body")).WithTag("TagA").WithKeys([]string{"k1", "k2"})
		message.Flag = 42
		message.WithProperty("colour", "green")
		message.WithProperty("a=b?", "c d&e")
		return message
	})
	if err != nil {
		return err
	}
	if got.GetTags() != "TagA" || got.GetKeys() != "k1 k2" || got.Flag != 42 ||
		got.GetProperty("colour") != "green" || got.GetProperty("a=b?") != "c d&e" {
		return fmt.Errorf("consumed flag %d and properties %v", got.Flag, got.GetProperties())
	}
	if got.MsgId == "" || len(got.OffsetMsgId) != 32 || got.StoreTimestamp < before-1000 || got.BornTimestamp < before-1000 {
		return fmt.Errorf("ids %q %q, born %d, stored %d", got.MsgId, got.OffsetMsgId, got.BornTimestamp, got.StoreTimestamp)
	}
	return nil
}

func chineseText(ctx context.Context) error {
	const text = "你好，世界！訊息佇列 🚀"
	got, err := roundTrip(ctx, "chinese", func(topic string) *primitive.Message {
		message := primitive.NewMessage(topic, []byte(text)).WithTag("标签").WithKeys([]string{"键"})
		message.WithProperty("属性", "值：中文")
		return message
	})
	if err != nil {
		return err
	}
	if string(got.Body) != text || got.GetTags() != "标签" || got.GetKeys() != "键" || got.GetProperty("属性") != "值：中文" {
		return fmt.Errorf("consumed %q with %v", got.Body, got.GetProperties())
	}
	return nil
}

// The client compresses bodies over 4 KiB; the server stores them as they came.
func compressedBody(ctx context.Context) error {
	text := strings.Repeat("compress me, 请压缩我. ", 4_000)
	got, err := roundTrip(ctx, "zip", func(topic string) *primitive.Message {
		return primitive.NewMessage(topic, []byte(text))
	})
	if err != nil {
		return err
	}
	if string(got.Body) != text {
		return fmt.Errorf("a body of %d bytes came back with %d, or changed", len(text), len(got.Body))
	}
	if int(got.StoreSize) > len(text)/2 {
		return fmt.Errorf("stored in %d bytes: not compressed", got.StoreSize)
	}
	return nil
}

// 4 MiB is the largest body; one byte more is refused with MESSAGE_ILLEGAL (13).
func body4MiB(ctx context.Context) error {
	const limit = 4 << 20
	whole := producer.WithCompressMsgBodyOverHowmuch(2 * limit)
	body := make([]byte, limit)
	if _, err := rand.Read(body); err != nil {
		return err
	}
	got, err := roundTrip(ctx, "big", func(topic string) *primitive.Message {
		return primitive.NewMessage(topic, body)
	}, whole)
	if err != nil {
		return err
	}
	if string(got.Body) != string(body) {
		return errors.New("the 4 MiB body changed on its way")
	}

	topic, err := newTopic(ctx, "toobig", 1)
	if err != nil {
		return err
	}
	client, err := startProducer(whole)
	if err != nil {
		return err
	}
	defer client.Shutdown()
	_, err = client.SendSync(ctx, primitive.NewMessage(topic, append(body, 0)))
	return wantCode(err, messageIllegal)
}

// Level 1 means one second, both in the default table and in a table of all ones.
func delayLevel(ctx context.Context) error {
	topic, err := newTopic(ctx, "delay", 1)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	arrived := make(chan time.Time, 1)
	in, err := startConsumer(topic, unique("delay"), "*", func(context.Context, *primitive.MessageExt) consumer.ConsumeResult {
		arrived <- time.Now()
		return consumer.ConsumeSuccess
	})
	if err != nil {
		return err
	}
	defer in.stop()

	sent := time.Now()
	if err := sendOK(ctx, client, primitive.NewMessage(topic, []byte("later")).WithDelayTimeLevel(1)); err != nil {
		return err
	}
	select {
	case at := <-arrived:
		// The server may round its deadline down to the timer's tick.
		if waited := at.Sub(sent); waited < 900*time.Millisecond || waited > 10*time.Second {
			return fmt.Errorf("delivered after %s, want 1 s", waited)
		}
		return in.awaitExactly(ctx, "later")
	case <-ctx.Done():
		return errors.New("the delayed message never came")
	}
}
