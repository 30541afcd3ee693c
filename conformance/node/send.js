// Scenarios about sending, and what a message carries. This client has neither one-way nor batch
// sends; asynchronous means many sends in flight at once.
'use strict';

const crypto = require('crypto');
const { Message } = require('ali-ons');
const { check, numbered, unique } = require('./harness');

async function sync(context) {
  const topic = await context.topic('sync', 1);
  const producer = await context.producer();
  const texts = numbered('sync', 8);
  for (const [ i, text ] of texts.entries()) {
    const result = await producer.send(new Message(topic, text));
    check(result.sendStatus === 'SEND_OK' && result.msgId.length === 32 && result.queueOffset === i,
      `message ${i} of one queue got ${JSON.stringify(result)}`);
  }
  const inbox = await context.consumer(topic, unique('sync'));
  await inbox.awaitExactly(texts);
}

async function concurrent(context) {
  const topic = await context.topic('async', 4);
  const producer = await context.producer();
  const texts = numbered('async', 50);
  const results = await Promise.all(texts.map(text => producer.send(new Message(topic, text))));
  check(results.every(result => result.sendStatus === 'SEND_OK'), JSON.stringify(results));
  const inbox = await context.consumer(topic, unique('async'));
  await inbox.awaitExactly(texts);
}

// Sends the message to a new topic of one queue and returns it as consumed.
async function roundTrip(context, name, build, more) {
  const topic = await context.topic(name, 1);
  const producer = await context.producer(more);
  const result = await producer.send(build(topic));
  check(result.sendStatus === 'SEND_OK', JSON.stringify(result));
  const inbox = await context.consumer(topic, unique(name));
  await context.until(() => inbox.messages.length === 1, 'one message');
  return inbox.messages[0];
}

async function keysTagsProperties(context) {
  const before = Date.now();
  const got = await roundTrip(context, 'props', topic => {
    const message = new Message(topic, 'TagA', 'body');
    message.keys = [ 'k1', 'k2' ];
    message.flag = 42;
    message.properties.colour = 'green';
    message.properties['a=b?'] = 'c d&e';
    return message;
  });
  check(got.tags === 'TagA' && got.keys === 'k1 k2' && got.flag === 42 &&
    got.properties.colour === 'green' && got.properties['a=b?'] === 'c d&e',
  `consumed flag ${got.flag} and ${JSON.stringify(got.properties)}`);
  check(got.msgId.length === 32 && got.storeTimestamp > before - 1000 && got.bornTimestamp > before - 1000,
    `id ${got.msgId}, born ${got.bornTimestamp}, stored ${got.storeTimestamp}`);
}

async function chineseText(context) {
  const text = '你好，世界！訊息佇列 🚀';
  const got = await roundTrip(context, 'chinese', topic => {
    const message = new Message(topic, '标签', text);
    message.keys = [ '键' ];
    message.properties['属性'] = '值：中文';
    return message;
  });
  check(got.body.toString() === text && got.tags === '标签' && got.keys === '键' && got.properties['属性'] === '值：中文',
    `consumed ${got.body} with ${JSON.stringify(got.properties)}`);
}

// The client compresses bodies of 4 KiB and more; the server stores them as they came.
async function compressedBody(context) {
  const text = 'compress me, 请压缩我. '.repeat(4000);
  const got = await roundTrip(context, 'zip', topic => new Message(topic, text));
  check(got.body.toString() === text, `a body of ${text.length} characters changed`);
  check(got.storeSize < text.length / 2, `stored in ${got.storeSize} bytes: not compressed`);
}

// 4 MiB is the largest body; one byte more is refused with MESSAGE_ILLEGAL (13).
async function body4MiB(context) {
  const limit = 4 << 20;
  const whole = { compressMsgBodyOverHowmuch: 2 * limit };
  const body = crypto.randomBytes(limit);
  const got = await roundTrip(context, 'big', topic => new Message(topic, body), whole);
  check(got.body.equals(body), `the 4 MiB body came back with ${got.body.length} bytes, or changed`);

  const topic = await context.topic('toobig', 1);
  const producer = await context.producer(whole);
  const error = await producer.send(new Message(topic, Buffer.concat([ body, Buffer.from('x') ]))).then(() => null, e => e);
  check(error && error.code === 13, `4 MiB and a byte: ${error}`);
}

// Level 1 means one second, both in the default table and in a table of all ones.
async function delayLevel(context) {
  const topic = await context.topic('delay', 1);
  const producer = await context.producer();
  let arrived = 0;
  const inbox = await context.consumer(topic, unique('delay'), '*', () => { arrived = Date.now(); });
  const message = new Message(topic, 'later');
  message.delayTimeLevel = 1;
  const sent = Date.now();
  await producer.send(message);
  await inbox.awaitExactly([ 'later' ]);
  // The server may round its deadline down to the timer's tick.
  check(arrived - sent >= 900 && arrived - sent < 10000, `delivered after ${arrived - sent} ms, want 1000`);
}

module.exports = { sync, concurrent, keysTagsProperties, chineseText, compressedBody, body4MiB, delayLevel };
