// node's Promise. Answers "shape part N" with the nanoseconds that N runs took; see child.rs.
// Before each batch the microtask queue is empty; a run ends when its result has been awaited.
"use strict";

const one = (n) => n + 1;
const two = (n) => n * 3;
const three = (n) => n ^ 0x55;

const passOn = (error) => { throw error; };
const fail = (n) => { throw new Error("boom " + n); };
const recover = () => 1;

function chain(promise, links, callback, errback) {
  for (let i = 0; i < links; i++) promise = promise.then(callback, errback);
  return promise;
}

function pending() {
  let fire, fail;
  const promise = new Promise((resolve, reject) => { fire = resolve; fail = reject; });
  return { promise, fire, fail };
}

async function fired(build) {
  const { promise, fire } = pending();
  const result = build(promise);
  fire(41);
  return await result;
}

async function failing(links) {
  const { promise, fail } = pending();
  const result = chain(promise, links, undefined, passOn);
  fail(boom);
  try { await result; } catch (error) { return error; }
}
// Made once: the cost of the error itself is no part of a link.
const boom = new Error("boom");

function capturing(promise) {
  const a = 7, b = 3, c = 5, d = 0x55;
  return promise.then((n) => n + a).then((n) => (n * b) ^ c).then((n) => n ^ d);
}

async function waiting() {
  const inner = pending();
  let promise = inner.promise;
  for (let i = 0; i < 1000; i++) {
    const { promise: outer, fire } = pending();
    const next = promise;
    promise = outer.then(() => next);
    fire(41);
  }
  inner.fire(41);
  return await promise;
}

async function gatherPending() {
  const all = Array.from({ length: 100 }, pending);
  const gathered = Promise.all(all.map((each) => each.promise));
  all.forEach((each, i) => each.fire(i));
  return await gathered;
}

const shapes = {
  fire3: [1, () => fired((p) => p.then(one).then(two).then(three))],
  fire3_capturing: [1, () => fired(capturing)],
  next_link: [16, () => fired((p) => chain(p, 19, one)), () => fired((p) => chain(p, 3, one))],
  ready3: [1, () => Promise.resolve(41).then(one).then(two).then(three)],
  ready_returned: [4,
    () => fired((p) => chain(p, 4, (n) => Promise.resolve(one(n)))),
    () => fired((p) => chain(p, 4, one))],
  failing_link: [16, () => failing(19), () => failing(3)],
  new_failure: [1, () => fired((p) => p.then(fail).catch(recover))],
  gather100_item: [100, () => Promise.all(Array.from({ length: 100 }, (_, i) => Promise.resolve(i)))],
  gather100_pending_item: [100, gatherPending],
  waiting_item: [1000, waiting],
  coroutine_ready: [1, async () => (await Promise.resolve(41)) + (await Promise.resolve(41))],
  coroutine_pending: [1, () => {
    const { promise, fire } = pending();
    const result = (async () => one(await promise))();
    fire(41);
    return result;
  }],
};

async function main() {
  const names = Object.entries(shapes).map(([name, s]) => `${name}:${s[0]}:${s.length - 2}`);
  console.log(names.join(" "));
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const [name, part, count] = line.split(" ");
    const body = shapes[name][part === "main" ? 1 : 2];
    const n = Number(count);
    const started = process.hrtime.bigint();
    for (let i = 0; i < n; i++) await body();
    console.log(String(process.hrtime.bigint() - started));
  }
}

main();
