// SPDX-License-Identifier: MIT
// What a handler may answer where an outbox keeps the events, and how its answer and its writes come through.
#include "event_relay/outbox/durable_outcome.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "event_relay/core/handler.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using transaction = testing::memory_store::transaction;
using durable = durable_outcome<transaction>;
using created = worker_envelope<booking_created>;

struct other_transaction {};

// Writes `text`, through whatever transaction it is given.
template <class Transaction = transaction>
struct writes {
  std::string text;
  void operator()(Transaction& into) const { into.texts.push_back(text); }
};

template <class Result>
struct returns {
  Result operator()(const created&) const;
};

static_assert(std::convertible_to<processed, durable> && std::convertible_to<retry, durable>);
static_assert(std::convertible_to<reject, durable> && std::convertible_to<const outcome&, durable>);
static_assert(std::convertible_to<settled_with<writes<>>, durable>);
static_assert(std::convertible_to<settled_with<void (*)(transaction&)>, durable>);
static_assert(std::convertible_to<settled_with<void (*)(const transaction&)>, durable>);
static_assert(!std::convertible_to<settled_with<void (*)(other_transaction&)>, durable>);
static_assert(!std::convertible_to<settled_with<void (*)()>, durable>);
static_assert(!std::convertible_to<settled_with<int>, durable>);
static_assert(!std::convertible_to<writes<>, durable> && !std::convertible_to<bool, durable>);
static_assert(!std::convertible_to<std::string, durable> && !std::convertible_to<durable, outcome>);
static_assert(!std::convertible_to<durable_outcome<other_transaction>, durable>);

static_assert(handler_of<returns<void>, booking_created, durable>);
static_assert(handler_of<returns<outcome>, booking_created, durable>);
static_assert(handler_of<returns<processed>, booking_created, durable>);
static_assert(handler_of<returns<retry>, booking_created, durable>);
static_assert(handler_of<returns<reject>, booking_created, durable>);
static_assert(handler_of<returns<durable>, booking_created, durable>);
static_assert(handler_of<returns<settled_with<writes<>>>, booking_created, durable>);
static_assert(!handler_of<returns<settled_with<void (*)(other_transaction&)>>, booking_created, durable>);
static_assert(!handler_of<returns<durable_outcome<other_transaction>>, booking_created, durable>);
static_assert(!handler_of<returns<bool>, booking_created, durable>);
static_assert(!handler_of<returns<void>, payment_captured, durable>);
// In process there is no transaction to write in.
static_assert(!handler_of<returns<settled_with<writes<>>>, booking_created>);
static_assert(!handler_of<returns<durable>, booking_created>);

std::string written_by(durable& answer) {
  transaction writing;
  answer.write()(writing);
  return writing.texts.empty() ? "nothing" : writing.texts.back();
}

template <class Handler>
durable run(Handler&& handler) {
  const booking_created event = sample_event();
  return invoke_handler<booking_created, durable>(handler, created{event, {"test-v1", 2, 3, {}, sample_instant}, {}});
}

}  // namespace

TEST_CASE("durable_outcome: made of an outcome, the same without writes") {
  durable done = processed{push("ada", "text")};
  CHECK(std::get<processed>(done.result()).notifications().at(0).body == "text");
  CHECK_FALSE(done.write());
  durable again = retry{"busy", std::chrono::seconds{2}};
  CHECK(std::get<retry>(again.result()).reason == "busy");
  CHECK(std::get<retry>(again.result()).delay == std::chrono::milliseconds{2'000});
  CHECK_FALSE(again.write());
  durable refused = reject{"never"};
  CHECK(std::get<reject>(refused.result()).reason == "never");
  CHECK_FALSE(refused.write());
}

TEST_CASE("durable_outcome: made of an outcome that is kept, a copy") {
  const std::string reason = "never, and that in so many words";
  outcome kept = reject{reason};
  const durable one = kept;
  const durable other = std::as_const(kept);
  CHECK(std::get<reject>(one.result()).reason == reason);
  CHECK(std::get<reject>(other.result()).reason == reason);
  CHECK(std::get<reject>(kept).reason == reason);
}

TEST_CASE("settled_with: a write, processed and carried out each time that it is called") {
  durable done = settled_with{writes<>{"delivered"}};
  CHECK(std::get<processed>(done.result()).notifications().empty());
  CHECK(written_by(done) == "delivered");
  CHECK(written_by(done) == "delivered");
}

TEST_CASE("settled_with: a write and notifications, both kept") {
  durable done = settled_with{writes<>{"delivered"}, processed{email("ada", "Booked", "mail"), push("ada", "note")}};
  REQUIRE(std::get<processed>(done.result()).notifications().size() == 2);
  CHECK(std::get<processed>(done.result()).notifications()[1].body == "note");
  CHECK(written_by(done) == "delivered");
}

TEST_CASE("settled_with: a write that is empty, none") {
  durable of_function = settled_with{std::function<void(transaction&)>{}};
  CHECK_FALSE(of_function.write());
  durable of_pointer = settled_with{static_cast<void (*)(transaction&)>(nullptr)};
  CHECK_FALSE(of_pointer.write());
}

TEST_CASE("settled_with: what the write returns, passed over") {
  durable done = settled_with{[](transaction& into) {
    into.texts.emplace_back("kept");
    return false;
  }};
  CHECK(written_by(done) == "kept");
}

TEST_CASE("invoke_handler: whatever a durable handler returns or throws, a durable outcome") {
  CHECK(std::holds_alternative<processed>(run([](const created&) {}).result()));
  CHECK(std::holds_alternative<retry>(run([](const created&) { return retry{}; }).result()));
  CHECK(std::holds_alternative<reject>(run([](const created&) -> outcome { return reject{"no"}; }).result()));
  durable done = run([](const created& given) { return settled_with{writes<>{given.event.id}}; });
  CHECK(written_by(done) == "evt-1");
  durable either = run([](const created& given) -> durable {
    if (given.retry.attempt == 1) {
      return retry{"not yet"};
    }
    return settled_with{writes<>{"at last"}};
  });
  CHECK(written_by(either) == "at last");

  const auto text_of = [](const durable& failed) { return std::get<retry>(failed.result()).reason; };
  const auto throws = [](const created&) -> settled_with<writes<>> { throw std::runtime_error{"gateway timed out"}; };
  CHECK(text_of(run(throws)) == "gateway timed out");
  CHECK_FALSE(run(throws).write());
  CHECK(text_of(run([](const created&) { throw 42; })) == "the handler threw something that is not a std::exception");
}

TEST_CASE("settled_with: a write that cannot be copied, refused by the concept") {
  struct owning_write {
    std::unique_ptr<int> owned;
    void operator()(transaction&) const {}
  };
  CHECK_FALSE(std::is_convertible_v<settled_with<owning_write>, durable>);
  CHECK_FALSE(handler_of<returns<settled_with<owning_write>>, booking_created, durable>);
}
