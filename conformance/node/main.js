// Conformance driver for the Node client, ali-ons.
//
// Runs every scenario against the server at NAMESRV_ADDR and prints one PASS, FAIL or SKIP line for
// each. All run in parallel, except the one that kills the server. Nothing here knows which server
// answers: the real Apache RocketMQ 5.3.3 passes every scenario too, so a failure is the server's.
'use strict';

const readline = require('readline');
const { Context, startBase } = require('./harness');
const consume = require('./consume');
const send = require('./send');
const server = require('./server');

// Name, deadline in seconds, what to run.
const scenarios = [
  ['send-sync', 30, send.sync],
  ['send-async', 30, send.concurrent],
  ['keys-tags-properties', 30, send.keysTagsProperties],
  ['chinese-text', 30, send.chineseText],
  ['compressed-body', 30, send.compressedBody],
  ['body-4-mib', 60, send.body4MiB],
  ['delay-level', 30, send.delayLevel],
  ['tag-filter', 30, consume.tagFilter],
  ['consume-from-first-last-timestamp', 60, consume.from],
  ['resume-from-committed-offset', 60, consume.resume],
  ['rebalance', 60, consume.rebalance],
  ['broadcasting', 30, consume.broadcasting],
  ['ordered', 30, consume.ordered],
  ['retry-then-dead-letter', 60, consume.retryThenDeadLetter],
  ['error-codes', 30, server.errorCodes],
];

// Runs alone: it takes the server away from everybody.
const killRestart = ['kill-restart-under-load', 90, server.killRestartUnderLoad];

async function perform([name, seconds, run]) {
  const started = Date.now();
  const context = new Context(seconds);
  let late;
  try {
    await Promise.race([
      run(context),
      new Promise((_, reject) => { // For a client that hangs and ignores the deadline.
        late = setTimeout(() => reject(new Error(`hung for ${seconds + 10} s`)), (seconds + 10) * 1000);
      }),
    ]);
    console.log(`PASS ${name} (${Date.now() - started} ms)`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error.message || error).replace(/\n/g, ' | ')}`);
    return false;
  } finally {
    clearTimeout(late);
    await context.end();
  }
}

async function main() {
  if (!process.env.NAMESRV_ADDR || !process.env.BROKER_ADDR) {
    console.error('NAMESRV_ADDR and BROKER_ADDR must be set');
    return 2;
  }
  server.listen(readline.createInterface({ input: process.stdin }));
  const only = process.argv.slice(2);
  const wanted = ([name]) => only.length === 0 || only.some(part => name.includes(part));

  await startBase();
  const passed = await Promise.all(scenarios.filter(wanted).map(perform));
  if (wanted(killRestart)) {
    if (process.env.KEROLOX_NO_RESTART === '1') {
      console.log(`SKIP ${killRestart[0]}: no restart here`);
    } else {
      passed.push(await perform(killRestart));
    }
  }
  return passed.every(Boolean) ? 0 : 1;
}

// A client bug in one scenario must not take the others down unseen.
process.on('unhandledRejection', error => console.error('unhandled:', error));

main().then(code => process.exit(code), error => {
  console.error(error);
  process.exit(1);
});
