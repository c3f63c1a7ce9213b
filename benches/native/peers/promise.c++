// KJ's promises. Answers "shape part N" with the nanoseconds that N runs took; see child.rs.
#include <kj/async.h>
#include <kj/debug.h>
#include <kj/vector.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <string>

using Promise = kj::Promise<uint64_t>;
using Pair = kj::PromiseFulfillerPair<uint64_t>;

// Hides a value from the optimizer.
template <typename T>
inline T hidden(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

inline uint64_t start() { return hidden<uint64_t>(41); }
inline uint64_t one(uint64_t n) { return n + 1; }
inline uint64_t two(uint64_t n) { return n * 3; }
inline uint64_t three(uint64_t n) { return n ^ 0x55; }

template <int LINKS>
Promise links(Promise promise) {
  if constexpr (LINKS == 0) {
    return promise;
  } else {
    return links<LINKS - 1>(promise.then([](uint64_t n) { return one(n); }));
  }
}

// Each errback hands its failure on.
template <int LINKS>
Promise failing(Promise promise) {
  if constexpr (LINKS == 0) {
    return promise;
  } else {
    return failing<LINKS - 1>(promise.then(
        [](uint64_t n) -> Promise { return n; },
        [](kj::Exception&& e) -> Promise { return kj::mv(e); }));
  }
}

template <int LINKS>
Promise returningReady(Promise promise) {
  if constexpr (LINKS == 0) {
    return promise;
  } else {
    return returningReady<LINKS - 1>(
        promise.then([](uint64_t n) { return Promise(one(n)); }));
  }
}

kj::Exception boom() {
  return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::str("boom"));
}

struct Shape {
  int items;
  std::function<void(kj::WaitScope&)> main;
  std::function<void(kj::WaitScope&)> baseline;
};

template <typename Build>
std::function<void(kj::WaitScope&)> fired(Build build) {
  return [build](kj::WaitScope& scope) {
    Pair pair = kj::newPromiseAndFulfiller<uint64_t>();
    Promise promise = build(kj::mv(pair.promise));
    pair.fulfiller->fulfill(start());
    hidden(promise.wait(scope));
  };
}

template <int LINKS>
std::function<void(kj::WaitScope&)> failed() {
  return [](kj::WaitScope& scope) {
    Pair pair = kj::newPromiseAndFulfiller<uint64_t>();
    Promise promise = failing<LINKS>(kj::mv(pair.promise))
                          .then([](uint64_t n) { return n; },
                                [](kj::Exception&&) { return uint64_t(1); });
    pair.fulfiller->reject(boom());
    hidden(promise.wait(scope));
  };
}

void waiting(kj::WaitScope& scope) {
  Pair inner = kj::newPromiseAndFulfiller<uint64_t>();
  Promise promise = kj::mv(inner.promise);
  for (int i = 0; i < 1000; i++) {
    Pair outer = kj::newPromiseAndFulfiller<uint64_t>();
    promise = outer.promise.then([next = kj::mv(promise)](uint64_t) mutable { return kj::mv(next); });
    outer.fulfiller->fulfill(start());
  }
  inner.fulfiller->fulfill(start());
  hidden(promise.wait(scope));
}

void gatherReady(kj::WaitScope& scope) {
  auto all = kj::heapArrayBuilder<Promise>(100);
  for (uint64_t i = 0; i < 100; i++) all.add(hidden(i));
  hidden(kj::joinPromises(all.finish()).wait(scope).size());
}

void gatherPending(kj::WaitScope& scope) {
  auto all = kj::heapArrayBuilder<Promise>(100);
  kj::Vector<kj::Own<kj::PromiseFulfiller<uint64_t>>> fulfillers(100);
  for (uint64_t i = 0; i < 100; i++) {
    Pair pair = kj::newPromiseAndFulfiller<uint64_t>();
    all.add(kj::mv(pair.promise));
    fulfillers.add(kj::mv(pair.fulfiller));
  }
  auto gathered = kj::joinPromises(all.finish());
  for (uint64_t i = 0; i < 100; i++) fulfillers[i]->fulfill(hidden(i));
  hidden(gathered.wait(scope).size());
}

std::map<std::string, Shape> shapes() {
  std::map<std::string, Shape> all;
  all["fire3"] = {1, fired([](Promise p) {
    return p.then([](uint64_t n) { return one(n); })
        .then([](uint64_t n) { return two(n); })
        .then([](uint64_t n) { return three(n); });
  }), nullptr};
  all["fire3_capturing"] = {1, fired([](Promise p) {
    uint64_t a = hidden<uint64_t>(7), b = hidden<uint64_t>(3), c = hidden<uint64_t>(5),
             d = hidden<uint64_t>(0x55);
    return p.then([a](uint64_t n) { return n + a; })
        .then([b, c](uint64_t n) { return (n * b) ^ c; })
        .then([d](uint64_t n) { return n ^ d; });
  }), nullptr};
  all["next_link"] = {16, fired([](Promise p) { return links<19>(kj::mv(p)); }),
                      fired([](Promise p) { return links<3>(kj::mv(p)); })};
  all["ready3"] = {1, [](kj::WaitScope& scope) {
    hidden(Promise(start())
               .then([](uint64_t n) { return one(n); })
               .then([](uint64_t n) { return two(n); })
               .then([](uint64_t n) { return three(n); })
               .wait(scope));
  }, nullptr};
  all["ready_returned"] = {4, fired([](Promise p) { return returningReady<4>(kj::mv(p)); }),
                           fired([](Promise p) { return links<4>(kj::mv(p)); })};
  all["failing_link"] = {16, failed<19>(), failed<3>()};
  all["new_failure"] = {1, fired([](Promise p) {
    return p.then([](uint64_t) -> Promise { return boom(); })
        .then([](uint64_t n) { return n; }, [](kj::Exception&&) { return uint64_t(1); });
  }), nullptr};
  all["gather100_item"] = {100, gatherReady, nullptr};
  all["gather100_pending_item"] = {100, gatherPending, nullptr};
  all["waiting_item"] = {1000, waiting, nullptr};
  return all;
}

int main() {
  kj::EventLoop loop;
  kj::WaitScope scope(loop);
  auto all = shapes();
  for (auto& [name, shape] : all) {
    std::cout << name << ":" << shape.items << ":" << (shape.baseline ? 1 : 0) << " ";
  }
  std::cout << std::endl;
  std::string name, part;
  uint32_t count;
  while (std::cin >> name >> part >> count) {
    auto& shape = all.at(name);
    auto& body = part == "main" ? shape.main : shape.baseline;
    auto started = std::chrono::steady_clock::now();
    for (uint32_t i = 0; i < count; i++) body(scope);
    auto took = std::chrono::steady_clock::now() - started;
    std::cout << std::chrono::duration_cast<std::chrono::nanoseconds>(took).count() << std::endl;
  }
}
