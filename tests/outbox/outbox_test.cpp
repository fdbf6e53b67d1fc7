// SPDX-License-Identifier: MIT
// The host's side: what of an event and its options reaches the store, what is refused and in which words,
// and that a refusal appends nothing. Beside it, which types are a codec and a store.
#include "event_relay/outbox/outbox.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using testing::memory_store;
using statuses = std::vector<append_status>;

// "id|service" and the like; one text that it cannot keep.
struct bar_codec {
  template <class Payload>
  std::string encode(const Payload& payload) const {
    if constexpr (std::same_as<Payload, sample_booking>) {
      if (payload.service == "unspeakable") {
        throw std::domain_error{"cannot be kept"};
      }
      return payload.id + '|' + payload.service;
    } else {
      return payload.id + '|' + std::to_string(payload.invoice);
    }
  }
  template <class Payload>
  Payload decode(std::string_view) const {
    return {};
  }
};

struct encodes_to_a_view : bar_codec {
  std::string_view encode(const auto&) const { return {}; }
};
struct encodes_once : bar_codec {
  std::string encode(const auto&) { return {}; }
};
struct decodes_into_text : bar_codec {
  template <class Payload>
  std::string decode(std::string_view) const {
    return {};
  }
};
struct knows_bookings_only {
  std::string encode(const sample_booking&) const { return {}; }
  template <std::same_as<sample_booking> Payload>
  Payload decode(std::string_view) const {
    return {};
  }
};

static_assert(codec_of<bar_codec, sample_events> && codec_of<const bar_codec, sample_events>);
static_assert(codec_of<knows_bookings_only, event_catalog<booking_created, booking_accepted>>);
static_assert(!codec_of<knows_bookings_only, sample_events>);
static_assert(!codec_of<encodes_to_a_view, sample_events> && !codec_of<encodes_once, sample_events>);
static_assert(!codec_of<decodes_into_text, sample_events>);
static_assert(!codec_of<int, sample_events> && !codec_of<bar_codec, int> && !codec_of<bar_codec, booking_created>);

struct appends_nothing : memory_store {
  void append(host_transaction&, std::span<const event_record>);
};
struct claims_nothing : memory_store {
  std::vector<settle_result> exchange(std::span<const settlement<transaction>>, const claim_request&);
};
struct renews_all_or_none : memory_store {
  bool renew(std::span<const lease>, std::chrono::milliseconds);
};
struct keeps_what_it_has : memory_store {
  void release(std::span<const lease>);
};
struct finds_or_throws : memory_store {
  stored_event find(std::string_view);
};
struct counts_unfinished : memory_store {
  std::size_t has_unfinished();
};
struct has_its_own_time : memory_store {
  std::chrono::steady_clock::time_point now() const;
};
struct copies_its_signal : memory_store {
  const wake_signal& signal() const;
};
struct warns_always : memory_store {
  std::string warning() const;
};
class without_transactions : memory_store {
 public:
  using memory_store::append, memory_store::exchange, memory_store::renew, memory_store::release, memory_store::find;
  using memory_store::has_unfinished, memory_store::now, memory_store::signal, memory_store::warning;
};

static_assert(event_store<memory_store>);
static_assert(!event_store<const memory_store> && !event_store<int>);
static_assert(!event_store<appends_nothing> && !event_store<claims_nothing> && !event_store<renews_all_or_none>);
static_assert(!event_store<keeps_what_it_has> && !event_store<finds_or_throws> && !event_store<counts_unfinished>);
static_assert(!event_store<has_its_own_time> && !event_store<copies_its_signal> && !event_store<warns_always>);
static_assert(!event_store<without_transactions>);

struct full_store : memory_store {
  std::vector<append_status> append(host_transaction&, std::span<const event_record>) {
    throw store_error{store_errc::storage_full, "no space left on device"};
  }
};

struct booking_cancelled : domain_event<"booking.cancelled", sample_booking> {};

const std::string trace_text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// An outbox, its store at sample_instant, and the host's transaction.
struct surroundings {
  testing::manual_clock clock{sample_instant};
  memory_store store{clock};
  memory_store::host_transaction host{store};
  outbox<sample_events, memory_store, bar_codec> tested{sample_events{}, store, bar_codec{}};

  std::vector<append_status> append_many(const std::vector<booking_created>& events,
                                         const append_options& options = {}) {
    return tested.append(host, events, options);
  }
  std::vector<std::string> claimed_ids() {
    std::vector<std::string> ids;
    for (const claimed_event& each : claim(store, {100, 30s}).claimed) {
      ids.push_back(each.record.id);
    }
    return ids;
  }
};

booking_created with_id(std::string id) { return sample_event(std::move(id)); }

}  // namespace

TEST_CASE("outbox: append one, its record has all of the event and nothing else") {
  surroundings around;
  booking_created event = sample_event("evt-7", {"booking-7", "repair"}, "corr-7");
  event.replayed = true;
  CHECK(around.tested.append(around.host, event) == append_status::appended);
  around.host.commit();
  const auto stored = around.store.find("evt-7");
  REQUIRE(stored);
  CHECK((stored->record == event_record{.id = "evt-7",
                                        .name = "booking.created",
                                        .payload = "booking-7|repair",
                                        .occurred_at = sample_instant,
                                        .correlation_id = "corr-7",
                                        .replayed = true}));
  CHECK(stored->state == event_state::ready);
  CHECK(stored->attempts == 0);
  CHECK((stored->available_at == sample_instant));
}

TEST_CASE("outbox: append with options, each is in the record") {
  surroundings around;
  const append_options options{
      .available_at = sample_instant + 1h, .trace = traceparent::parse(trace_text), .source = "booking-api"};
  around.tested.append(around.host, sample_event<payment_captured>("evt-8"), options);
  around.tested.append(around.host, with_id("evt-9"), {.source = "only this"});
  around.host.commit();
  const auto stored = around.store.find("evt-8").value();
  CHECK(stored.record.name == "payment.captured");
  CHECK(stored.record.payload == "payment-1|42");
  CHECK_FALSE(stored.record.replayed);
  CHECK(stored.record.trace == trace_text);
  CHECK(stored.record.source == "booking-api");
  CHECK(stored.record.caused_by.empty());
  CHECK((stored.available_at == sample_instant + 1h));
  const auto other = around.store.find("evt-9").value();
  CHECK(other.record.trace.empty());
  CHECK(other.record.source == "only this");
  CHECK((other.available_at == sample_instant));
}

TEST_CASE("outbox: append, seen with the host's commit and never without") {
  surroundings around;
  {
    memory_store::host_transaction rolled_back{around.store};
    CHECK(around.tested.append(rolled_back, with_id("evt-1")) == append_status::appended);
  }
  CHECK(around.tested.append(around.host, with_id("evt-1")) == append_status::appended);
  CHECK_FALSE(around.store.find("evt-1"));
  around.host.commit();
  CHECK(around.store.find("evt-1"));
}

TEST_CASE("outbox: append an id that is there, no change and an answer that says so") {
  surroundings around;
  CHECK(around.tested.append(around.host, with_id("evt-1")) == append_status::appended);
  const booking_created another = sample_event("evt-1", {"booking-2", "repair"});
  CHECK(around.tested.append(around.host, another) == append_status::duplicate);
  around.host.commit();
  CHECK(around.tested.append(around.host, another) == append_status::duplicate);
  around.host.commit();
  CHECK(around.store.find("evt-1")->record.payload == "booking-1|cleaning");

  const claimed_event claimed = claim(around.store, {1, 30s}).claimed.at(0);
  const settlement<memory_store::transaction> dead{.held = claimed.held, .status = attempt_status::dead_letter};
  settle<memory_store>(around.store, {&dead, 1});
  CHECK(around.tested.append(around.host, another) == append_status::duplicate);
}

TEST_CASE("outbox: append many, all in their order with the same options and an answer each") {
  surroundings around;
  around.tested.append(around.host, with_id("c"));
  around.host.commit();
  CHECK(around.append_many({with_id("d"), with_id("c"), with_id("a"), with_id("d"), with_id("b")},
                           {.trace = traceparent::parse(trace_text), .source = "import"}) ==
        statuses{append_status::appended, append_status::duplicate, append_status::appended, append_status::duplicate,
                 append_status::appended});
  around.host.commit();
  for (const char* id : {"a", "b", "d"}) {
    CHECK(around.store.find(id)->record.source == "import");
    CHECK(around.store.find(id)->record.trace == trace_text);
  }
  CHECK(around.claimed_ids() == std::vector<std::string>{"c", "d", "a", "b"});
}

TEST_CASE("outbox: append none of many, no answers") {
  surroundings around;
  CHECK(around.append_many({}).empty());
  around.host.commit();
  CHECK_FALSE(around.store.has_unfinished());
}

TEST_CASE("outbox: append a text out of its range, refused by field, length and range") {
  surroundings around;
  const std::string longest(255, 'x');
  const auto id = [&](const std::string& text) {
    return refusal([&] { around.tested.append(around.host, with_id(text)); });
  };
  const auto source = [&](const std::string& text) {
    return refusal([&] { around.tested.append(around.host, with_id("evt-1"), {.source = text}); });
  };
  CHECK(id("x") == "not refused");
  CHECK(id(longest) == "not refused");
  CHECK(id("") == "outbox: the event's id has 0 bytes, must be 1 to 255 without NUL");
  CHECK(id(longest + "x") == "outbox: the event's id has 256 bytes, must be 1 to 255 without NUL");
  CHECK(id(std::string{"a\0b", 3}) == "outbox: the event's id has 3 bytes, must be 1 to 255 without NUL");
  CHECK(source("") == "not refused");
  CHECK(source(longest) == "not refused");
  CHECK(source(longest + "x") == "outbox: the event's source has 256 bytes, must be 0 to 255 without NUL");
  CHECK(source(std::string(1, '\0')) == "outbox: the event's source has 1 bytes, must be 0 to 255 without NUL");
}

TEST_CASE("outbox: append an event whose correlation id was moved from, refused by name") {
  surroundings around;
  booking_created event = with_id("evt-1");
  const correlation_id taken = std::move(event.correlation);
  CHECK(refusal([&] { around.tested.append(around.host, event); }) ==
        "outbox: the correlation id of booking.created evt-1 was moved from");
  CHECK(taken.view() == "corr-1");
}

TEST_CASE("outbox: append a payload that the codec cannot keep, what it throws and nothing appended") {
  surroundings around;
  const booking_created bad = sample_event("bad", {"booking-1", "unspeakable"});
  CHECK_THROWS_AS(around.tested.append(around.host, bad), std::domain_error);
  CHECK_THROWS_WITH(around.tested.append(around.host, bad), "cannot be kept");
  around.host.commit();
  CHECK_FALSE(around.store.has_unfinished());
}

TEST_CASE("outbox: append many of which one is refused, none appended and the transaction is still the host's") {
  const booking_created bad = sample_event("bad", {"booking-1", "unspeakable"});
  const booking_created nameless = sample_event("");
  for (const std::size_t place : {0U, 1U, 2U}) {
    surroundings around;
    around.tested.append(around.host, with_id("before"));
    std::vector<booking_created> events{with_id("a"), with_id("b"), with_id("c")};
    events[place] = bad;
    CHECK_THROWS_AS(around.append_many(events), std::domain_error);
    events[place] = nameless;
    CHECK_THROWS_AS(around.append_many(events), std::invalid_argument);
    around.tested.append(around.host, with_id("after"));
    around.host.commit();
    CHECK(around.claimed_ids() == std::vector<std::string>{"before", "after"});
  }
}

TEST_CASE("outbox: a store that fails, its error reaches the host") {
  full_store store;
  outbox tested{sample_events{}, store, bar_codec{}};
  memory_store::host_transaction host{store};
  try {
    tested.append(host, with_id("evt-1"));
    FAIL("the store's error is lost");
  } catch (const std::system_error& error) {
    CHECK(error.code() == store_errc::storage_full);
  }
  const std::vector events{with_id("evt-1")};
  CHECK_THROWS_AS(tested.append(host, events), store_error);
}

TEST_CASE("outbox: an event derived from a domain_event, appended as any") {
  memory_store store;
  const outbox tested{event_catalog<booking_cancelled>{}, store, bar_codec{}};
  outbox copy = tested;
  memory_store::host_transaction host{store};
  CHECK(copy.append(host, booking_cancelled{sample_event<booking_cancelled::base_event>("evt-1")}) ==
        append_status::appended);
  host.commit();
  CHECK(store.find("evt-1")->record.name == "booking.cancelled");
  CHECK(&tested.store() == &store);
  CHECK(tested.codec().encode(sample_booking{}) == "booking-1|cleaning");
}
