// Scenarios about several consumers: sharing the queues of a group, and broadcasting.
package main

import (
	"context"
	"fmt"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Two members share the queues; when one leaves, the other gets its half. Every message of every
// round is consumed.
func rebalance(ctx context.Context) error {
	const queues = 8
	topic, err := newTopic(ctx, "rebalance", queues)
	if err != nil {
		return err
	}
	client, err := startProducer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	if err != nil {
		return err
	}
	defer client.Shutdown()
	routed, err := route(ctx, topic)
	if err != nil {
		return err
	}

	group := unique("rebalance")
	one, err := startConsumer(topic, group, "*", succeed)
	if err != nil {
		return err
	}
	defer one.stop()
	two, err := startConsumer(topic, group, "*", succeed)
	if err != nil {
		return err
	}
	defer two.stop()

	// round sends one message to each queue, waits for all, and says how many each member got.
	var all []string
	round := func() (byOne, byTwo int, err error) {
		texts := numbered(unique("round"), queues)
		all = append(all, texts...)
		for i, text := range texts {
			message := primitive.NewMessage(topic, []byte(text))
			message.Queue = routed[i]
			if err := sendOK(ctx, client, message); err != nil {
				return 0, 0, err
			}
		}
		err = await(ctx, "a round", func() bool {
			return len(both(one, two, texts)) == queues
		})
		return queues - len(one.missing(texts)), queues - len(two.missing(texts)), err
	}
	awaitShares := func(what string, wantOne, wantTwo int) error {
		var byOne, byTwo int
		err := await(ctx, what, func() bool {
			var err error
			byOne, byTwo, err = round()
			return err == nil && byOne == wantOne && byTwo == wantTwo
		})
		if err != nil {
			err = fmt.Errorf("%w: the members got %d and %d of %d", err, byOne, byTwo, queues)
		}
		return err
	}

	if err := awaitShares("four queues each", queues/2, queues/2); err != nil {
		return err
	}
	two.leave()
	if err := awaitShares("all queues with the one that stayed", queues, 0); err != nil {
		return err
	}
	if got := len(both(one, two, all)); got != len(all) {
		return fmt.Errorf("%d of %d messages consumed", got, len(all))
	}
	return nil
}

// both lists the texts that one of the two inboxes has.
func both(one, two *inbox, texts []string) (found []string) {
	first, second := one.counts(), two.counts()
	for _, text := range texts {
		if first[text]+second[text] > 0 {
			found = append(found, text)
		}
	}
	return found
}

// Every member of a broadcast group gets every message.
func broadcasting(ctx context.Context) error {
	topic, err := newTopic(ctx, "broadcast", 4)
	if err != nil {
		return err
	}
	client, err := startProducer()
	if err != nil {
		return err
	}
	defer client.Shutdown()
	group := unique("broadcast")
	var members []*inbox
	for i := 0; i < 3; i++ {
		in, err := startConsumer(topic, group, "*", succeed, consumer.WithConsumerModel(consumer.BroadCasting))
		if err != nil {
			return err
		}
		defer in.stop()
		members = append(members, in)
	}
	texts := numbered("broadcast", 20)
	if err := sendTexts(ctx, client, topic, texts...); err != nil {
		return err
	}
	for i, in := range members {
		if err := in.awaitExactly(ctx, texts...); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	return nil
}
