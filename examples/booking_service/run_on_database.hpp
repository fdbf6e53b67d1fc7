// SPDX-License-Identifier: MIT
// A run on a database, whichever it is: the same service, outbox, worker and handlers.
#pragma once

#include <chrono>
#include <future>
#include <mutex>
#include <stop_token>
#include <utility>

#include <event_relay/event_relay.hpp>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/outbox/outbox.hpp>
#include <event_relay/outbox/worker.hpp>

#include "bookings_in_database.hpp"
#include "delivery.hpp"
#include "events.hpp"
#include "handler.hpp"
#include "kill_switch.hpp"
#include "play.hpp"
#include "row_ids.hpp"
#include "run.hpp"
#include "run_observer.hpp"
#include "service.hpp"

namespace bookings {

/// Appends to the outbox, in the transaction that is open on the service's connection. Refers to all.
template <class Outbox, class Connection>
class outbox_publisher {
 public:
  outbox_publisher(Outbox& outbox, Connection& database, tally& counts)
      : outbox_{outbox}, database_{database}, counts_{counts} {}

  template <event_relay::event_type Event>
  void publish(const Event& event) {
    // What happened to one booking is told in its order.
    outbox_.append(database_.handle(), event, {.source = "booking_service", .ordering_key = event.payload.booking_id});
    const std::lock_guard lock{counts_.mutex};
    counts_.run.count_published(event);
  }

 private:
  Outbox& outbox_;
  Connection& database_;
  tally& counts_;
};

/// The bookings' events and their notifications, each to the one who deals with it.
template <class Connection>
class event_handler : public booking_handler<>, public delivery_handler<Connection> {
 public:
  explicit event_handler(kill_switch& kill) : delivery_handler<Connection>{kill} {}
  using booking_handler<>::operator();
  using delivery_handler<Connection>::operator();
};

inline event_relay::family_limits limits_of(const options& chosen) {
  event_relay::family_limits limits;
  return chosen.emails_per_second
             ? std::move(limits).with<event_relay::email_notification>({.per_second = chosen.emails_per_second})
             : limits;
}

inline auto worker_options_of(const options& chosen) {
  return event_relay::worker_options()
      .with_max_attempts(chosen.max_attempts)
      .with_threads(chosen.workers)
      .with_batch(chosen.batch)
      // Short, so that what a killed run held is soon carried on; three times the heartbeat.
      .with_lease(std::chrono::seconds{5})
      .with_family_limits(limits_of(chosen))
      .with_backoff(event_relay::exponential_backoff{chosen.base_backoff})
      .with_faults(injected_faults(chosen));
}

/// Calls `play()` while the worker carries what it appends, then lets the worker finish, for which `stop` may
/// leave no time.
template <class Worker, class Play>
event_relay::worker_report carry_while(Worker& worker, const std::stop_token& stop, Play play) {
  std::stop_source playing;
  const std::stop_callback forward{stop, [&] { playing.request_stop(); }};
  auto carried = std::async(std::launch::async, [&] { return worker.run(playing.get_token()); });
  {
    const struct stop_at_end {
      std::stop_source& source;
      ~stop_at_end() { source.request_stop(); }
    } whatever_happens{playing};
    play();
  }
  event_relay::worker_report report = carried.get();
  report += worker.run_until_done(stop);
  return report;
}

/// `Database` is `bookings_in_sqlite` or `bookings_in_postgres`. Throws event_relay::store_error.
template <class Database>
run_summary run_on(const Database& where, const options& chosen, const run_files& files, const std::stop_token& stop) {
  using connection = typename Database::connection;
  return with_sink(files.breadcrumbs, [&](auto sink) {
    tally counts;
    kill_switch kill{chosen.kill_at};
    auto store = where.open_store(chosen);
    event_relay::outbox outbox{outbox_events{}, store, event_relay::json_codec{}};
    event_relay::worker worker{outbox, event_handler<connection>{kill},
                               worker_options_of(chosen)
                                   .with_sink(std::move(sink))
                                   .with_observer(run_observer{counts, log_to(files.notifications), kill})};

    connection database = where.connect();
    Database::make_tables(database);
    bookings_in_database table{database};
    outbox_publisher publisher{outbox, database, counts};
    const row_ids ids{chosen.input};
    booking_service service{table, publisher, event_relay::system_clock{}, ids};

    const auto play_all = [&] {
      counts.run.rejected_rows = play_rows(*files.bookings, stop, [&](const booking_row& row) {
        typename Database::transaction change{database};
        if (!table.begin_row(chosen.input, row.line)) {
          ++counts.run.resumed_rows;
          return;
        }
        ids.start_row(row.line);
        play(service, row, ids);
        kill.pass(kill_switch::before_append_commit);
        change.commit();
        kill.pass(kill_switch::after_append_commit);
      });
    };
    event_relay::worker_report report;
    switch (chosen.share) {
      case run_share::append: play_all(); break;
      case run_share::work: report = worker.run(stop); break;
      case run_share::all: report = carry_while(worker, stop, play_all); break;
    }
    counts.run.stale_settles = report.stale_settles;
    counts.run.lost_breadcrumbs = report.lost_breadcrumbs;
    return counts.run;
  });
}

}  // namespace bookings
