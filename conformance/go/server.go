// Scenarios about the server itself: topics by admin, refusals, and losing power.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Response codes as the official servers give them; the client shows them as text only.
const (
	messageIllegal   = 13
	noPermission     = 16
	invalidParameter = 29
)

func wantCode(err error, code int) error {
	if err == nil {
		return fmt.Errorf("accepted, want code %d", code)
	}
	if !strings.HasPrefix(err.Error(), fmt.Sprintf("CODE: %d,", code)) {
		return fmt.Errorf("%q, want code %d", err, code)
	}
	return nil
}

func adminTopics(ctx context.Context) error {
	client, err := newAdmin()
	if err != nil {
		return err
	}
	defer client.Close()
	listed := func(topic string) (bool, error) {
		topics, err := client.FetchAllTopicList(ctx)
		if err != nil {
			return false, err
		}
		return slices.Contains(topics.TopicList, topic), nil
	}

	topic := unique("admin")
	if err := makeTopic(ctx, topic, 3); err != nil {
		return err
	}
	if there, err := listed(topic); err != nil || !there {
		return fmt.Errorf("a created topic is not listed (%v)", err)
	}
	if err := makeTopic(ctx, topic, 5); err != nil { // A second create is an update.
		return err
	}

	group := unique("admin")
	in, err := startConsumer(topic, group, "*", succeed)
	if err != nil {
		return err
	}
	err = await(ctx, "the group in the list of groups", func() bool {
		groups, err := client.GetAllSubscriptionGroup(ctx, broker, 3*time.Second)
		if err != nil {
			return false
		}
		config, there := groups.SubscriptionGroupTable[group]
		return there && config.GroupName == group && config.ConsumeEnable && config.RetryMaxTimes == 16
	})
	in.stop()
	if err != nil {
		return err
	}

	if err := client.DeleteTopic(ctx, admin.WithTopicDelete(topic), admin.WithBrokerAddrDelete(broker)); err != nil {
		return err
	}
	if err := await(ctx, "the deleted topic's route to be gone", func() bool {
		_, err := route(ctx, topic)
		return err != nil
	}); err != nil {
		return err
	}
	if there, err := listed(topic); err != nil || there {
		return fmt.Errorf("a deleted topic is still listed (%v)", err)
	}
	return nil
}

func errorCodes(ctx context.Context) error {
	topic, err := newTopic(ctx, "refused", 2)
	if err != nil {
		return err
	}
	queues, err := route(ctx, topic)
	if err != nil {
		return err
	}
	manual, err := startProducer(producer.WithQueueSelector(producer.NewManualQueueSelector()), producer.WithRetry(0))
	if err != nil {
		return err
	}
	defer manual.Shutdown()
	direct := func(topic string, queue int, body string) error {
		message := primitive.NewMessage(topic, []byte(body))
		message.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: queues[0].BrokerName, QueueId: queue}
		_, err := manual.SendSync(ctx, message)
		return err
	}
	// The manual selector asks for no route: one good send first lets the client learn the address.
	normal, err := startProducer(producer.WithRetry(0))
	if err != nil {
		return err
	}
	defer normal.Shutdown()
	if err := sendTexts(ctx, normal, topic, "fine"); err != nil {
		return err
	}

	for _, refused := range []struct {
		what string
		err  error
		code int
	}{
		{"queue 99 of 2", direct(topic, 99, "body"), invalidParameter},
		{"illegal characters", direct("bad topic!", 0, "body"), invalidParameter},
		{"128 characters", direct(strings.Repeat("t", 128), 0, "body"), invalidParameter},
		{"a system topic", direct("RMQ_SYS_TRANS_HALF_TOPIC", 0, "body"), noPermission},
	} {
		if err := wantCode(refused.err, refused.code); err != nil {
			return fmt.Errorf("%s: %w", refused.what, err)
		}
	}
	// The connection survived all refusals.
	return direct(topic, 1, "fine")
}

// Producers and a consumer are at work when the server is killed and started again; every message it
// answered with SEND_OK must be consumed in the end. Twice is allowed.
func killRestartUnderLoad(ctx context.Context) error {
	const senders = 4
	topic, err := newTopic(ctx, "kill", 8)
	if err != nil {
		return err
	}
	client, err := startProducer(producer.WithRetry(0))
	if err != nil {
		return err
	}
	defer client.Shutdown()
	in, err := startConsumer(topic, unique("kill"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()

	var (
		mutex    sync.Mutex
		answered []string
		wait     sync.WaitGroup
	)
	count := func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return len(answered)
	}
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	for sender := 0; sender < senders; sender++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := 0; sending.Err() == nil; i++ {
				text := fmt.Sprintf("%d/%d", sender, i)
				if err := sendOK(sending, client, primitive.NewMessage(topic, []byte(text))); err != nil {
					time.Sleep(tick) // Nobody is there: do not spin.
					continue
				}
				mutex.Lock()
				answered = append(answered, text)
				mutex.Unlock()
				if i%50 == 0 {
					time.Sleep(time.Millisecond) // A load, not a flood.
				}
			}
		}()
	}

	if err := await(ctx, "500 answers before the kill", func() bool { return count() >= 500 }); err != nil {
		return err
	}
	say("@kill-restart")
	select {
	case line := <-answers:
		if line != "@restarted" {
			return fmt.Errorf("the runner answered %q", line)
		}
	case <-ctx.Done():
		return errors.New("the runner did not restart the server")
	}
	after := count()
	if err := await(ctx, "500 answers after the restart", func() bool { return count() >= after+500 }); err != nil {
		return err
	}
	stopSending()
	wait.Wait()
	if err := in.awaitTexts(ctx, answered...); err != nil {
		return fmt.Errorf("answered OK and lost: %w", err)
	}
	say("kill-restart: %d answered, %d consumed", len(answered), len(in.all()))
	return nil
}
