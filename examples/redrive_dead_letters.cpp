// SPDX-License-Identifier: MIT
// A service that was down has left dead letters. An operator looks at them, mends the cause and sends them round again,
// no faster than the service can bear. The events of one booking stay in their order, new ones included.
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/outbox/dead_letters.hpp>
#include <event_relay/sqlite/sqlite.hpp>
#include <event_relay/testing/testing.hpp>

namespace {

using namespace std::chrono_literals;

struct booking_news {
  std::string booking;
  std::string news;
  static constexpr auto fields = event_relay::payload_fields(
      event_relay::reference("bookingId", &booking_news::booking), event_relay::field("news", &booking_news::news));
};
using booking_changed = event_relay::domain_event<"booking.changed", booking_news>;

struct mailing_handler {
  const bool& is_server_up;
  event_relay::outcome operator()(const event_relay::worker_envelope<booking_changed>& envelope) const {
    const auto& [booking, news] = envelope.event.payload;
    if (booking == "b-3") {
      return event_relay::reject{"the guest left no address"};  // no mail server will change that
    }
    if (!is_server_up) {
      throw std::runtime_error("the mail server is down");
    }
    fmt::print("  to the guest of {}: {}\n", booking, news);
    return event_relay::processed{};
  }
};

}  // namespace

int main() {
  const auto file = std::filesystem::temp_directory_path() /
                    ("redrive_dead_letters-" + event_relay::process_ids{}.next_id() + ".sqlite");
  {
    // Set by hand, so that each run of the example prints the same; by default it is the machine's.
    event_relay::testing::manual_clock clock{*event_relay::parse_iso8601("2026-11-24T09:00:00.000Z")};
    event_relay::sqlite::store store{file.string(), {}, clock};
    event_relay::outbox outbox{event_relay::event_catalog<booking_changed>{}, store, event_relay::json_codec{}};
    event_relay::event_factory events{clock};
    event_relay::sqlite::connection db{file.string(), 5s};
    const auto tell = [&](const booking_news& each) {
      event_relay::sqlite::immediate_transaction change{db};
      outbox.append(db.handle(), events.make<booking_changed>(each), {.ordering_key = each.booking});
      change.commit();
    };
    bool is_server_up = false;
    event_relay::worker worker{
        outbox, mailing_handler{is_server_up},
        event_relay::worker_options().with_max_attempts(2).with_backoff(event_relay::constant_backoff{0ms})};

    tell({"b-1", "created"});
    tell({"b-1", "paid"});
    tell({"b-2", "created"});
    tell({"b-3", "created"});
    worker.run_until_done();
    event_relay::dead_letters dead{store};
    for (const event_relay::stored_event& each : dead.list().events) {
      fmt::print("{}\n  {} after {} attempt(s), the last: {}\n", each.record.payload, wire_name(*each.reason),
                 each.attempts, each.failures.back().text);
    }

    is_server_up = true;
    const event_relay::dead_letter_filter gave_up{.reason = event_relay::dead_letter_reason::max_attempts_exhausted};
    fmt::print("{} of them would go round again\n", dead.redrive(gave_up, {.run = event_relay::run_kind::dry}));
    fmt::print("{} do, one a second\n", dead.redrive(gave_up, {.per_second = 1}));
    tell({"b-1", "checked in"});  // ready at once, and yet it waits for what the guest does not know so far
    for (int second = 0; store.has_unfinished(); ++second, clock.advance(1s)) {
      fmt::print("second {}\n", second);
      worker.run_once();
    }
    fmt::print("{} still dead\n", store.metrics().dead_letters);
  }
  for (const char* const ending : {"", "-wal", "-shm"}) {
    std::filesystem::remove(file.string() + ending);
  }
}
