// SPDX-License-Identifier: MIT
// An event that is stored in the transaction of the change that it tells of: rolled back with it, carried
// out once it is committed, whatever happens to the process in between.
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/sqlite/sqlite.hpp>

namespace {

struct booking {
  std::string id;
  std::string guest;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id),
                                                             event_relay::field("guest", &booking::guest));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;

/// What the handler writes is committed together with the event's end, so each guest is welcomed exactly once.
struct booking_handler {
  auto operator()(const event_relay::worker_envelope<booking_created>& envelope) const {
    fmt::print("attempt {} at {}\n", envelope.retry.attempt, envelope.event.payload.id);
    return event_relay::settled_with{[guest = envelope.event.payload.guest](event_relay::sqlite::connection& db) {
      db.execute("INSERT INTO welcomed VALUES (?)", guest);
    }};
  }
};

}  // namespace

int main() {
  const auto file = std::filesystem::temp_directory_path() /
                    ("outbox_in_your_transaction-" + event_relay::process_ids{}.next_id() + ".sqlite");
  {
    event_relay::sqlite::store store{file.string()};
    event_relay::outbox outbox{event_relay::event_catalog<booking_created>{}, store, event_relay::json_codec{}};
    event_relay::event_factory events;

    // The host's own connection and tables. A `sqlite3*` that you have already serves as well.
    event_relay::sqlite::connection db{file.string(), std::chrono::seconds{5}};
    db.execute("CREATE TABLE bookings (id TEXT PRIMARY KEY)");
    db.execute("CREATE TABLE welcomed (guest TEXT)");
    const auto book = [&](const booking& made) {
      event_relay::sqlite::immediate_transaction change{db};
      db.execute("INSERT INTO bookings VALUES (?)", made.id);
      outbox.append(db.handle(), events.make<booking_created>(made));
      if (made.guest.empty()) {
        throw std::invalid_argument("a booking without a guest");  // neither the row nor the event will be there
      }
      change.commit();
    };
    for (const booking& each : {booking{"b-1", "Ada"}, booking{"b-2", ""}, booking{"b-3", "Grace"}}) {
      try {
        book(each);
        fmt::print("{} is booked\n", each.id);
      } catch (const std::invalid_argument& error) {
        fmt::print("{} is not: {}\n", each.id, error.what());
      }
    }

    event_relay::worker worker{outbox, booking_handler{}};
    const event_relay::worker_report report = worker.run_until_done();
    fmt::print("{} processed, {} welcomed\n", report.processed, db.integer("SELECT count(*) FROM welcomed", 0));
  }
  for (const char* const ending : {"", "-wal", "-shm"}) {
    std::filesystem::remove(file.string() + ending);
  }
}
