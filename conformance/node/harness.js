// What every scenario needs: unique names, topics that exist, clients that are closed in the end,
// and an inbox that can be waited for. Waiting always has a condition and the scenario's deadline.
'use strict';

const { Consumer, Producer } = require('ali-ons');

// Poll interval of awaited conditions.
const TICK_MS = 20;

// The client's own log, on stderr when asked for.
const quiet = { info() {}, warn() {}, error() {}, debug() {} };
const logger = process.env.ALI_ONS_LOG ? { ...quiet, info: console.error, warn: console.error, error: console.error } : quiet;

let serial = 0;

// A topic, group or instance name no other run uses.
function unique(name) {
  return `node_${name}_${process.pid}_${++serial}`;
}

function sleep(ms) {
  return new Promise(resolve => setTimeout(resolve, ms));
}

function numbered(prefix, count) {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
}

function check(holds, text) {
  if (!holds) {
    throw new Error(text);
  }
}

// Options of every client. An instance name of its own gives it a connection of its own; the short
// intervals replace the change notices of the server, which this client does not listen to.
function options(more) {
  return {
    nameSrv: process.env.NAMESRV_ADDR,
    httpclient: { request() { throw new Error('there is no address server here'); } },
    instanceName: unique('instance'),
    pollNameServerInteval: 1000,
    heartbeatBrokerInterval: 1000,
    rebalanceInterval: 1000,
    persistConsumerOffsetInterval: 1000,
    logger,
    ...more,
  };
}

let base;

// The first client of a process also carries the library's hidden default producer and can then not
// close its connection. So one that stays open comes first; it creates the topics too.
async function startBase() {
  base = new Producer(options({ producerGroup: unique('base') }));
  base.on('error', error => logger.warn('base', error));
  await base.ready();
}

// What one consumer was given, in the order of the calls.
class Inbox {
  constructor(context) {
    this.context = context;
    this.messages = [];
  }

  texts() {
    return this.messages.map(message => message.body.toString());
  }

  missing(texts) {
    const got = new Set(this.texts());
    return texts.filter(text => !got.has(text));
  }

  // Waits until every text came at least once.
  async awaitTexts(texts) {
    await this.context.until(
      () => this.missing(texts).length === 0,
      () => {
        const missing = this.missing(texts);
        return `${missing.length} of ${texts.length} messages not consumed, first ${missing[0]}`;
      });
  }

  // The same, and nothing else and nothing twice.
  async awaitExactly(texts) {
    await this.awaitTexts(texts);
    check(this.messages.length === texts.length,
      `consumed ${this.messages.length} messages, want ${texts.length}: ${this.texts()}`);
  }
}

// One scenario's deadline and the clients it opened.
class Context {
  constructor(seconds) {
    this.deadline = Date.now() + seconds * 1000;
    this.clients = new Set();
  }

  async until(holds, what) {
    while (!await holds()) {
      check(Date.now() < this.deadline, `not in time: ${typeof what === 'function' ? what() : what}`);
      await sleep(TICK_MS);
    }
  }

  // Creates a topic and waits until the name server routes it. The client cannot create one by
  // sending: it gives up when the name server says TOPIC_NOT_EXIST. It does know the admin request.
  async topic(name, queues) {
    const topic = unique(name);
    await base._mqClient.createTopic(process.env.BROKER_ADDR, 'TBW102', {
      topicName: topic,
      readQueueNums: queues,
      writeQueueNums: queues,
      perm: 6,
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: 0,
      order: false,
    }, 5000);
    await this.route(topic, queues);
    return topic;
  }

  async route(topic, queues) {
    await this.until(async () => {
      try {
        const route = await base._mqClient.getTopicRouteInfoFromNameServer(topic, 3000);
        return route.queueDatas[0].writeQueueNums === queues;
      } catch (error) {
        return false; // TOPIC_NOT_EXIST so far.
      }
    }, `a route of ${topic} with ${queues} queues`);
  }

  async producer(more) {
    const producer = new Producer(options({ producerGroup: unique('producer'), ...more }));
    producer.on('error', error => logger.warn('producer', error));
    await producer.ready();
    this.clients.add(producer);
    return producer;
  }

  // A push consumer from the first offset that puts each message into its inbox and then calls
  // `handle`, which may throw to refuse the message.
  async consumer(topic, group, tags = '*', handle = () => {}, more = {}) {
    const inbox = new Inbox(this);
    const consumer = new Consumer(options({
      consumerGroup: group,
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      ...more,
    }));
    consumer.on('error', error => logger.warn('consumer', error));
    consumer.subscribe(topic, tags, async message => {
      inbox.messages.push(message);
      await handle(message);
    });
    await consumer.ready();
    this.clients.add(consumer);
    inbox.close = () => this.close(consumer);
    return inbox;
  }

  async close(client) {
    this.clients.delete(client);
    // close() waits for a socket that may be gone already: bounded, for the next scenario's sake.
    await Promise.race([client.close().catch(error => logger.warn('close', error)), sleep(3000)]);
  }

  async end() {
    await Promise.all(Array.from(this.clients, client => this.close(client)));
  }
}

module.exports = { Context, check, numbered, sleep, startBase, unique };
