// Scenarios about consuming: filters, where a group starts, sharing, broadcasting, order, retry.
'use strict';

const crypto = require('crypto');
const { Message } = require('ali-ons');
const { check, numbered, sleep, unique } = require('./harness');

async function sendTexts(producer, topic, texts) {
  for (const text of texts) {
    const result = await producer.send(new Message(topic, text));
    check(result.sendStatus === 'SEND_OK', JSON.stringify(result));
  }
}

// The last message of the queue matches, so when it is there, everything before it was decided.
async function tagFilter(context) {
  const topic = await context.topic('filter', 1);
  const producer = await context.producer();
  for (const tag of [ 'A', 'C', 'B', 'C', 'A', 'Aa', 'B' ]) {
    await producer.send(new Message(topic, tag, `tag ${tag}`));
  }
  const inbox = await context.consumer(topic, unique('filter'), 'A || B');
  await context.until(() => inbox.messages.length >= 4, () => `two A and two B, got ${inbox.texts()}`);
  check(inbox.texts().sort().join() === 'tag A,tag A,tag B,tag B', `the filter A || B let through ${inbox.texts()}`);
}

// The client wants its local time, in seconds.
function humanTime(at) {
  const two = number => String(number).padStart(2, '0');
  return `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

// First, last and timestamp differ only where the server holds no offset, and for a clustering group
// on a young topic the server answers 0 whatever the client prefers. A broadcast group keeps its
// offsets itself, so here its choice reaches the server as max-offset and offset-by-time queries.
async function from(context) {
  const topic = await context.topic('from', 1);
  const producer = await context.producer();
  await sendTexts(producer, topic, numbered('old', 5));
  const border = new Date(Math.floor(Date.now() / 1000) * 1000 + 2000);
  await context.until(() => Date.now() > border.getTime() + 50, 'the next second');
  await sendTexts(producer, topic, numbered('new', 5));

  const start = (name, where, more) => context.consumer(topic, unique(name), '*', undefined,
    { isBroadcast: true, consumeFromWhere: where, ...more });
  const first = await start('first', 'CONSUME_FROM_FIRST_OFFSET');
  const byTime = await start('time', 'CONSUME_FROM_TIMESTAMP', { consumeTimestamp: humanTime(border) });
  const last = await start('last', 'CONSUME_FROM_LAST_OFFSET');
  const young = await context.consumer(topic, unique('young'), '*', undefined, { consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET' });

  const everything = [ ...numbered('old', 5), ...numbered('new', 5) ];
  await first.awaitExactly(everything);
  await byTime.awaitExactly(numbered('new', 5));
  await young.awaitExactly(everything);
  // When the consumer at the end asked for its start is not visible: send until one arrives.
  await context.until(async () => {
    await sendTexts(producer, topic, [ 'probe' ]);
    return last.messages.length > 0;
  }, 'a message behind the last');
  check(last.texts().every(text => text === 'probe'), `last: consumed older messages: ${last.texts()}`);
}

// A group that comes back goes on where it committed.
async function resume(context) {
  const topic = await context.topic('resume', 2);
  const producer = await context.producer();
  const group = unique('resume');
  await sendTexts(producer, topic, numbered('before', 10));
  const inbox = await context.consumer(topic, group);
  await inbox.awaitExactly(numbered('before', 10));
  // The client commits by one-way requests, every second here; nothing tells when the server has
  // handled them, and Java handles them in another thread than the next member's question.
  await sleep(1500);
  await inbox.close();
  await sendTexts(producer, topic, numbered('after', 10));
  const again = await context.consumer(topic, group);
  await again.awaitExactly(numbered('after', 10));
}

// Two members share the queues; when one leaves, the other gets its half. The queue shows in each
// message; every message is consumed.
async function rebalance(context) {
  const queues = 8;
  const topic = await context.topic('rebalance', queues);
  const producer = await context.producer();
  const group = unique('rebalance');
  const one = await context.consumer(topic, group);
  const two = await context.consumer(topic, group);

  // A round of 16 messages reaches every queue twice; gives the number of queues each member served.
  const all = [];
  const round = async () => {
    const texts = numbered(unique('round'), 2 * queues);
    all.push(...texts);
    await sendTexts(producer, topic, texts);
    await context.until(() => {
      const got = new Set([ ...one.texts(), ...two.texts() ]);
      return texts.every(text => got.has(text));
    }, 'a round of messages');
    return [ one, two ].map(member => new Set(
      member.messages.filter(message => texts.includes(message.body.toString())).map(message => message.queueId)).size);
  };
  let shares;
  const awaitShares = (wantOne, wantTwo) => context.until(async () => {
    shares = await round();
    return shares[0] === wantOne && shares[1] === wantTwo;
  }, () => `queues shared ${wantOne}:${wantTwo}, now ${shares}`);

  await awaitShares(queues / 2, queues / 2);
  await two.close();
  await awaitShares(queues, 0);
  const got = new Set([ ...one.texts(), ...two.texts() ]);
  check(all.every(text => got.has(text)), `${got.size} of ${all.length} messages consumed`);
}

// Every member of a broadcast group gets every message.
async function broadcasting(context) {
  const topic = await context.topic('broadcast', 4);
  const producer = await context.producer();
  const group = unique('broadcast');
  const members = [];
  for (let i = 0; i < 3; i++) {
    members.push(await context.consumer(topic, group, '*', undefined, { isBroadcast: true }));
  }
  const texts = numbered('broadcast', 20);
  await sendTexts(producer, topic, texts);
  for (const member of members) {
    await member.awaitExactly(texts);
  }
}

// Messages of one sharding key stay in one queue, which this client consumes one after the other; it
// takes no queue lock. Its key selector takes queue 0 for "no queue" and then spreads the messages,
// so the keys here are those that hash to another queue.
async function ordered(context) {
  const queues = 4;
  const perKey = 20;
  const topic = await context.topic('order', queues);
  const producer = await context.producer();
  const keys = numbered('key', 20)
    .filter(key => crypto.createHash('md5').update(key).digest().readUInt32BE() % queues !== 0)
    .slice(0, 5);
  for (let i = 0; i < perKey; i++) {
    for (const key of keys) {
      const message = new Message(topic, `${key}/${i}`);
      message.shardingKey = key;
      await producer.send(message);
    }
  }
  const inbox = await context.consumer(topic, unique('order'));
  await context.until(() => inbox.messages.length >= keys.length * perKey, () => `all messages, got ${inbox.messages.length}`);
  for (const key of keys) {
    const mine = inbox.messages.filter(message => message.shardingKey === key);
    check(new Set(mine.map(message => message.queueId)).size === 1, `${key} lies in several queues`);
    check(mine.map(message => message.body.toString()).join() === numbered('', perKey).map((_, i) => `${key}/${i}`).join(),
      `${key} came as ${mine.map(message => message.body)}`);
  }
}

// A message the group refuses comes back with a counted retry, and after the last one lies in the
// dead-letter topic.
async function retryThenDeadLetter(context) {
  const retries = 2;
  const topic = await context.topic('retry', 1);
  const producer = await context.producer();
  const group = unique('retry');
  const inbox = await context.consumer(topic, group, '*', message => {
    if (message.tags === 'bad') {
      throw new Error('refused on purpose');
    }
  }, { maxReconsumeTimes: retries });

  const bad = new Message(topic, 'bad', 'poison');
  bad.keys = [ 'poison-key' ];
  bad.properties.colour = 'red';
  await producer.send(bad);
  await producer.send(new Message(topic, 'good'));
  await context.route(`%DLQ%${group}`, 1).catch(error => {
    throw new Error(`${error.message}, consumed ${inbox.texts()}`);
  });
  const dead = await context.consumer(`%DLQ%${group}`, unique('undertaker'));
  await dead.awaitExactly([ 'poison' ]);
  const letter = dead.messages[0];
  check(letter.properties.colour === 'red' && letter.keys === 'poison-key' && letter.retryTopic === topic,
    `the dead letter has ${JSON.stringify(letter.properties)}`);

  const deliveries = inbox.messages.filter(message => message.body.toString() === 'poison');
  check(deliveries.map(message => message.reconsumeTimes).join() === '0,1,2',
    `deliveries counted ${deliveries.map(message => message.reconsumeTimes)}`);
  check(deliveries.every(message => message.properties.colour === 'red'), 'a retry lost its properties');
  check(inbox.texts().filter(text => text === 'good').length === 1, `consumed ${inbox.texts()}`);
}

module.exports = { tagFilter, from, resume, rebalance, broadcasting, ordered, retryThenDeadLetter };
