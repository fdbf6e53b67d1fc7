// SPDX-License-Identifier: MIT
#include "event_relay/core/handler.hpp"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using created = worker_envelope<booking_created>;

template <class Result>
struct returns {
  Result operator()(const created&) const;
};
struct takes_the_event {
  void operator()(const booking_created&) const;
};
struct takes_a_mutable_envelope {
  void operator()(created&) const;
};
struct takes_a_copy {
  void operator()(created) const;
};
struct counts {
  void operator()(const created&) { ++runs; }
  int runs = 0;
};
struct takes_all {
  void operator()(const auto&) const {}
};

static_assert(handler_of<returns<void>, booking_created>);
static_assert(handler_of<returns<outcome>, booking_created>);
static_assert(handler_of<returns<const outcome&>, booking_created>);
static_assert(handler_of<returns<processed>, booking_created>);
static_assert(handler_of<returns<retry>, booking_created>);
static_assert(handler_of<returns<reject>, booking_created>);
static_assert(handler_of<takes_a_copy, booking_created>);
static_assert(handler_of<counts, booking_created>);
static_assert(handler_of<takes_all, payment_captured>);
static_assert(handler_of<void (*)(const created&), booking_created>);

static_assert(!handler_of<returns<void>, payment_captured>);
static_assert(!handler_of<returns<void>, int>);
static_assert(!handler_of<returns<int>, booking_created>);
static_assert(!handler_of<returns<bool>, booking_created>);
static_assert(!handler_of<returns<std::string>, booking_created>);
static_assert(!handler_of<returns<notification_request>, booking_created>);
static_assert(!handler_of<const counts, booking_created>);
static_assert(!handler_of<takes_the_event, booking_created>);
static_assert(!handler_of<takes_a_mutable_envelope, booking_created>);
static_assert(!handler_of<int, booking_created>);

struct text_error : std::exception {
  explicit text_error(std::string said) : text{std::move(said)} {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};

template <class Handler>
outcome run(Handler&& handler) {
  const booking_created event = sample_event();
  return invoke_handler<booking_created>(handler, {event, {"test-v1", 2, 3, {}, sample_instant}, {}});
}

template <class Thrown>
std::string text_of_thrown(const Thrown& thrown) {
  return std::get<retry>(run([&thrown](const created&) -> outcome { throw thrown; })).reason;
}

}  // namespace

TEST_CASE("handler: what it returns, made an outcome") {
  CHECK(std::holds_alternative<processed>(run([](const created&) {})));
  const outcome done = run([](const created&) { return processed{push("ada", "text")}; });
  CHECK(std::get<processed>(done).notifications().at(0).body == "text");
  const outcome again = run([](const created&) { return retry{"busy", std::chrono::seconds{2}}; });
  CHECK(std::get<retry>(again).reason == "busy");
  CHECK(std::get<retry>(again).delay == std::chrono::milliseconds{2'000});
  CHECK(std::get<reject>(run([](const created&) { return reject{"never"}; })).reason == "never");
  CHECK(std::get<reject>(run([](const created&) -> outcome { return reject{"never"}; })).reason == "never");
}

TEST_CASE("handler: an exception, a retry with its text and no delay of its own") {
  CHECK(text_of_thrown(std::runtime_error{"gateway timed out"}) == "gateway timed out");
  CHECK(text_of_thrown(text_error{""}).empty());
  CHECK(text_of_thrown(text_error{"line\nbreak \"\x01\xff"}) == "line\nbreak \"\x01\xff");
  const std::string huge(4'000'000, 'x');
  CHECK((text_of_thrown(text_error{huge}) == huge));
  CHECK_FALSE(text_of_thrown(std::bad_alloc{}).empty());
  const outcome thrown = run([](const created&) -> reject { throw std::runtime_error{"before it could refuse"}; });
  REQUIRE(std::holds_alternative<retry>(thrown));
  CHECK_FALSE(std::get<retry>(thrown).delay.has_value());
  CHECK(std::holds_alternative<retry>(run([](const created&) { throw std::logic_error{"void"}; })));
}

TEST_CASE("handler: something thrown that is no std::exception, a retry that says so") {
  const std::string text = "the handler threw something that is not a std::exception";
  CHECK(text_of_thrown(42) == text);
  CHECK(text_of_thrown("a literal") == text);
  CHECK(text_of_thrown(std::string{"a string"}) == text);
}

TEST_CASE("handler: state of its own, kept from one attempt to the next") {
  counts counting;
  run(counting);
  run(counting);
  CHECK(counting.runs == 2);
}

TEST_CASE("handler: the envelope, the caller's own") {
  const booking_created event = sample_event("evt-7");
  const created envelope{event, {"test-v1", 2, 3, {}, sample_instant}, {}};
  const created* seen = nullptr;
  auto look = [&seen](const created& given) { seen = &given; };
  invoke_handler(look, envelope);
  CHECK(seen == &envelope);
  CHECK(&envelope.event == &event);
}

TEST_CASE("handler: several as one, the overload of the event runs") {
  std::string ran;
  handlers all{[&ran](const created&) { ran = "created"; },
               [&ran](const worker_envelope<payment_captured>&) {
                 ran = "captured";
                 return reject{"no"};
               }};
  static_assert(handler_of<decltype(all), booking_created>);
  static_assert(handler_of<decltype(all), payment_captured>);
  static_assert(!handler_of<decltype(all), booking_accepted>);

  CHECK(std::holds_alternative<processed>(run(all)));
  CHECK(ran == "created");
  const payment_captured event = sample_event<payment_captured>();
  CHECK(std::holds_alternative<reject>(invoke_handler<payment_captured>(all, {event, {}, {}})));
  CHECK(ran == "captured");
}
