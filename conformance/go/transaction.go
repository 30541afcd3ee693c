// Scenarios about transactions: commit, rollback, and the server's question what became of one.
package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// decider commits, rolls back or does not know, as the words of a body say: the first when the message
// is sent, the second when the server asks.
type decider struct {
	mutex sync.Mutex
	asked []*primitive.MessageExt
}

func decision(body []byte, word int) primitive.LocalTransactionState {
	switch strings.Split(string(body), "-")[word] {
	case "commit":
		return primitive.CommitMessageState
	case "rollback":
		return primitive.RollbackMessageState
	default:
		return primitive.UnknowState
	}
}

func (d *decider) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	return decision(message.Body, 0)
}

func (d *decider) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	d.mutex.Lock()
	d.asked = append(d.asked, message)
	d.mutex.Unlock()
	return decision(message.Body, 1)
}

func (d *decider) count() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return len(d.asked)
}

func startTransactionProducer(d *decider) (rocketmq.TransactionProducer, error) {
	client, err := rocketmq.NewTransactionProducer(d,
		producer.WithNameServer([]string{namesrv}),
		producer.WithGroupName(unique("transaction")),
		producer.WithInstanceName(unique("instance")),
	)
	if err != nil {
		return nil, err
	}
	return client, client.Start()
}

func transactions(ctx context.Context, bodies []string, want []string, asked int) error {
	topic, err := newTopic(ctx, "transaction", 2)
	if err != nil {
		return err
	}
	d := &decider{}
	client, err := startTransactionProducer(d)
	if err != nil {
		return err
	}
	defer client.Shutdown()
	in, err := startConsumer(topic, unique("transaction"), "*", succeed)
	if err != nil {
		return err
	}
	defer in.stop()
	for _, body := range bodies {
		result, err := client.SendMessageInTransaction(ctx, primitive.NewMessage(topic, []byte(body)))
		if err != nil {
			return err
		}
		if result.Status != primitive.SendOK || result.TransactionID == "" {
			return fmt.Errorf("send result %s", result)
		}
	}
	if err := await(ctx, "the server's questions", func() bool { return d.count() >= asked }); err != nil {
		return err
	}
	return in.awaitExactly(ctx, want...)
}

func transactionCommitRollback(ctx context.Context) error {
	bodies := []string{"commit-1", "rollback-1", "commit-2", "rollback-2"}
	return transactions(ctx, bodies, []string{"commit-1", "commit-2"}, 0)
}

func transactionCheckBack(ctx context.Context) error {
	return transactions(ctx, []string{"unknown-commit", "unknown-rollback"}, []string{"unknown-commit"}, 2)
}
