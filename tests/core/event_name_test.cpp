// SPDX-License-Identifier: MIT
#include "event_relay/core/event_name.hpp"

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "event_relay/core/fixed_string.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;

// fixed_string
template <fixed_string Text>
struct holder {
  static constexpr std::string_view text = Text.view();
};
template <char... Characters>
struct spelled {};

static_assert(holder<"booking.created">::text == "booking.created");
static_assert(std::same_as<holder<"a">, holder<"a">> && !std::same_as<holder<"a">, holder<"b">>);
static_assert(fixed_string{"abc"}.size() == 3 && fixed_string{"abc"}.view() == "abc");
static_assert(fixed_string{""}.size() == 0 && fixed_string{""}.view().empty());
static_assert(fixed_string{"abc"}.text[3] == '\0' && fixed_string<2>{}.view() == std::string_view{"\0\0", 2});
static_assert(fixed_string{"abc"} == fixed_string{"abc"} && fixed_string{"abc"} != fixed_string{"abd"});
static_assert(fixed_string{"ab"} + fixed_string{"cd"} == fixed_string{"abcd"});
static_assert(fixed_string{""} + fixed_string{"cd"} + fixed_string{""} == fixed_string{"cd"});
static_assert((fixed_string{"ab"} + fixed_string{"cd"}).text[4] == '\0');
static_assert(std::same_as<decltype(detail::spell<spelled, "a.b">()), spelled<'a', '.', 'b'>>);

// event_names
using two_words = event_names<"booking.created">;
static_assert(two_words::is_well_formed);
static_assert(two_words::name == "booking.created");
static_assert(two_words::pipeline == "booking-created-orchestration");
static_assert(two_words::dead_letter_queue == "booking.created.dlq");
static_assert(two_words::emit_step == "booking.created.domain-event.emit");
static_assert(two_words::attempt_step == "booking.created.worker-consume");
static_assert(two_words::relay_attempt_step == "booking.created.domain-event.relay.attempt");
static_assert(two_words::relay_step == "booking.created.domain-event.relay");
static_assert(two_words::email_queued_step == "notification.created.email.queued");
static_assert(two_words::push_queued_step == "notification.created.push.queued");

using three_words = event_names<"shop_2.order.sent_out">;
static_assert(three_words::name == "shop_2.order.sent_out");
static_assert(three_words::pipeline == "shop_2-order-sent_out-orchestration");
static_assert(three_words::dead_letter_queue == "shop_2.order.sent_out.dlq");
static_assert(three_words::email_queued_step == "notification.sent_out.email.queued");
static_assert(three_words::push_queued_step == "notification.sent_out.push.queued");

static_assert(event_names<"a.b">::pipeline == "a-b-orchestration");
static_assert(event_names<"a.b">::push_queued_step == "notification.b.push.queued");

}  // namespace

TEST_CASE("event_name: two or more dotted words, well formed") {
  for (const std::string_view name :
       {"booking.created", "a.b", "a.b.c.d.e", "a1.b2", "a_.b__", "booking_2.re_opened9"}) {
    CAPTURE(name);
    CHECK(is_event_name(name));
  }
}

TEST_CASE("event_name: anything else, malformed") {
  for (const std::string_view name : {"",
                                      ".",
                                      "..",
                                      "booking",
                                      "booking.",
                                      ".created",
                                      "booking..created",
                                      "booking.created.",
                                      ".booking.created",
                                      "Booking.created",
                                      "booking.Created",
                                      "bookinG.created",
                                      "1booking.created",
                                      "booking.1created",
                                      "_booking.created",
                                      "booking._created",
                                      "booking-created",
                                      "booking.cre-ated",
                                      "booking created",
                                      " booking.created",
                                      "booking.created ",
                                      "booking.created\n",
                                      "booking/created",
                                      "b\xc3\xbc"
                                      "cher.created"}) {
    CAPTURE(name);
    CHECK_FALSE(is_event_name(name));
  }
  CHECK_FALSE(is_event_name(std::string_view{"a.b\0", 4}));
  CHECK_FALSE(is_event_name(std::string_view{"a\0.b", 4}));
}

TEST_CASE("event_name: each of the 256 bytes, only letters begin a word and only word characters continue it") {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
  constexpr std::string_view inner = "abcdefghijklmnopqrstuvwxyz0123456789_";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string character(1, static_cast<char>(byte));
    CAPTURE(byte);
    CHECK(is_event_name(character + "x.yy") == (letters.find(character) != std::string_view::npos));
    CHECK(is_event_name("xx." + character + "y") == (letters.find(character) != std::string_view::npos));
    CHECK(is_event_name("x" + character + ".yy") == (inner.find(character) != std::string_view::npos));
    CHECK(is_event_name("xx.y" + character) == (inner.find(character) != std::string_view::npos));
    const bool splits_or_continues = character == "." || inner.find(character) != std::string_view::npos;
    CHECK(is_event_name("xx.y" + character + "y") == splits_or_continues);
  }
}
