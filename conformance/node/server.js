// Scenarios about the server itself: refusals, and losing it.
'use strict';

const { Message } = require('ali-ons');
const { check, sleep, unique } = require('./harness');

let runner;

// Takes the runner's lines, such as "@restarted".
function listen(lines) {
  runner = lines;
}

function nextLine() {
  return new Promise(resolve => runner.once('line', resolve));
}

// The client refuses to send without a route, so a bad name never reaches the broker by sending; a
// bad create does.
async function errorCodes(context) {
  const producer = await context.producer();
  const code = promise => promise.then(() => 'accepted', error => error.code || error);
  const unknown = await code(producer.send(new Message(unique('nowhere'), 'body')));
  check(unknown === 17, `sending to an unknown topic: ${unknown}, want 17`);
  const illegal = await code(producer._mqClient.createTopic(process.env.BROKER_ADDR, 'TBW102', {
    topicName: 'bad topic!', readQueueNums: 1, writeQueueNums: 1, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false,
  }, 3000));
  check(illegal === 29, `creating an illegal topic: ${illegal}, want 29`);
  // The connections survived the refusals.
  const topic = await context.topic('fine', 1);
  const result = await producer.send(new Message(topic, 'fine'));
  check(result.sendStatus === 'SEND_OK', JSON.stringify(result));
}

// Producers and a consumer are at work when the server is killed and started again; every message it
// answered with SEND_OK must be consumed in the end. Twice is allowed.
async function killRestartUnderLoad(context) {
  const topic = await context.topic('kill', 8);
  const producer = await context.producer();
  const inbox = await context.consumer(topic, unique('kill'), '*', undefined, { parallelConsumeLimit: 32 });

  const acknowledged = [];
  let sending = true;
  const sender = async number => {
    for (let i = 0; sending; i++) {
      const text = `${number}/${i}`;
      try {
        const result = await producer.send(new Message(topic, text));
        if (result.sendStatus === 'SEND_OK') {
          acknowledged.push(text);
        }
      } catch (error) {
        await sleep(20); // Nobody is there: do not spin.
      }
      if (i % 50 === 0) {
        await sleep(1); // A load, not a flood.
      }
    }
  };
  const senders = Promise.all([ 0, 1, 2, 3 ].map(sender));
  try {
    await context.until(() => acknowledged.length >= 500, '500 answers before the kill');
    const line = nextLine();
    console.log('@kill-restart');
    check(await line === '@restarted', 'the runner answered something else');
    const before = acknowledged.length;
    await context.until(() => acknowledged.length >= before + 500, '500 answers after the restart');
  } finally {
    sending = false;
  }
  await senders;
  await inbox.awaitTexts(acknowledged);
  console.log(`kill-restart: ${acknowledged.length} answered, ${inbox.messages.length} consumed`);
}

module.exports = { errorCodes, killRestartUnderLoad, listen };
