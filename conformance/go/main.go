// Conformance driver for the official Go client, rocketmq-client-go v2.
//
// Runs every scenario against the server at NAMESRV_ADDR and prints one PASS, FAIL or SKIP line for
// each; a crash of a scenario fails that scenario only. All run in parallel, except one that
// changes topics and the one that kills the server. Nothing here knows which server answers: the
// real Apache RocketMQ 5.3.3 passes every scenario too, so a failure is the server's.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// scenario is one named claim about the server. Its context ends at the deadline.
type scenario struct {
	name     string
	deadline time.Duration
	run      func(ctx context.Context) error
}

var scenarios = []scenario{
	{"send-sync", 20 * time.Second, sendSync},
	{"send-async", 20 * time.Second, sendAsync},
	{"send-oneway", 20 * time.Second, sendOneway},
	{"send-batch", 20 * time.Second, sendBatch},
	{"auto-create-topic", 20 * time.Second, autoCreateTopic},
	{"keys-tags-properties", 20 * time.Second, keysTagsProperties},
	{"chinese-text", 20 * time.Second, chineseText},
	{"compressed-body", 20 * time.Second, compressedBody},
	{"body-4-mib", 40 * time.Second, body4MiB},
	{"delay-level", 20 * time.Second, delayLevel},
	{"tag-filter", 20 * time.Second, tagFilter},
	{"sql-filter", 30 * time.Second, sqlFilter},
	{"pull", 20 * time.Second, pull},
	{"consume-from-first-last-timestamp", 30 * time.Second, consumeFrom},
	{"resume-from-committed-offset", 60 * time.Second, resumeFromCommitted},
	{"rebalance", 60 * time.Second, rebalance},
	{"broadcasting", 30 * time.Second, broadcasting},
	{"ordered", 60 * time.Second, ordered},
	{"retry-then-dead-letter", 60 * time.Second, retryThenDeadLetter},
	{"transaction-commit-rollback", 30 * time.Second, transactionCommitRollback},
	{"transaction-check-back", 75 * time.Second, transactionCheckBack},
	{"error-codes", 30 * time.Second, errorCodes},
}

// adminCreate runs alone: in Java 5.3.3, registrations of topics changed at the same time overtake each
// other on the way to the name server, and an old queue count may stay there.
var adminCreate = scenario{"admin-topics", 30 * time.Second, adminTopics}

// killRestart runs alone: it takes the server away from everybody.
var killRestart = scenario{"kill-restart-under-load", 90 * time.Second, killRestartUnderLoad}

var (
	namesrv = os.Getenv("NAMESRV_ADDR")
	broker  = os.Getenv("BROKER_ADDR")

	// answers carries the runner's lines, such as "@restarted".
	answers = make(chan string, 1)
	stdout  sync.Mutex
)

func say(format string, args ...any) {
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Printf(format+"\n", args...)
}

// wanted says whether to run the scenario: all of them, or those whose name contains an argument.
func wanted(s scenario) bool {
	return len(os.Args) == 1 || slices.ContainsFunc(os.Args[1:], func(part string) bool {
		return strings.Contains(s.name, part)
	})
}

// perform prints the scenario's line and says whether it passed.
func perform(s scenario) (passed bool) {
	started := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.deadline)
	defer cancel()

	result := make(chan error, 1)
	go func() {
		defer func() {
			if crash := recover(); crash != nil {
				result <- fmt.Errorf("crashed: %v", crash)
			}
		}()
		result <- s.run(ctx)
	}()

	var err error
	select {
	case err = <-result:
	case <-time.After(s.deadline + 15*time.Second): // The client hangs and ignores the context.
		err = fmt.Errorf("hung for %s", s.deadline+15*time.Second)
	}
	if err != nil {
		say("FAIL %s: %s", s.name, strings.ReplaceAll(err.Error(), "\n", " | "))
		return false
	}
	say("PASS %s (%d ms)", s.name, time.Since(started).Milliseconds())
	return true
}

func main() {
	if namesrv == "" || broker == "" {
		fmt.Fprintln(os.Stderr, "NAMESRV_ADDR and BROKER_ADDR must be set")
		os.Exit(2)
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			answers <- lines.Text()
		}
	}()

	var (
		wait   sync.WaitGroup
		counts sync.Mutex
		failed int
	)
	if wanted(adminCreate) && !perform(adminCreate) {
		failed++
	}
	for _, s := range scenarios {
		if !wanted(s) {
			continue
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			if !perform(s) {
				counts.Lock()
				failed++
				counts.Unlock()
			}
		}()
	}
	wait.Wait()

	if !wanted(killRestart) {
		// Named scenarios only.
	} else if os.Getenv("KEROLOX_NO_RESTART") == "1" {
		say("SKIP %s: no restart here", killRestart.name)
	} else if !perform(killRestart) {
		failed++
	}
	if failed > 0 {
		os.Exit(1)
	}
}
