// SPDX-License-Identifier: MIT
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>

#include <event_relay/event_relay.hpp>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/outbox/outbox.hpp>
#include <event_relay/outbox/worker.hpp>
#include <event_relay/sqlite/sqlite.hpp>

#include "bookings_in_sqlite.hpp"
#include "delivery.hpp"
#include "events.hpp"
#include "handler.hpp"
#include "kill_switch.hpp"
#include "notification_log.hpp"
#include "play.hpp"
#include "row_ids.hpp"
#include "run.hpp"
#include "service.hpp"

namespace bookings {

namespace {

using namespace std::chrono_literals;
using event_relay::attempt_status;
using event_relay::claimed_event;
using event_relay::settle_status;

/// Short, so that what a killed run held is soon carried on; three times the heartbeat.
constexpr std::chrono::milliseconds lease = 5s;
/// The service's own connection waits this long for the worker's commits, rather than refuse a booking.
constexpr std::chrono::milliseconds busy_timeout = 30s;

/// What a run counts, from every thread.
struct tally {
  std::mutex mutex;
  run_summary run;
};

/// Appends to the outbox, in the transaction that is open on the service's connection. Refers to all.
template <class Outbox>
class outbox_publisher {
 public:
  outbox_publisher(Outbox& outbox, event_relay::sqlite::connection& database, tally& counts)
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
  event_relay::sqlite::connection& database_;
  tally& counts_;
};

/// Counts what the worker's threads do, writes down what was delivered, and passes the points at which a run
/// may kill itself.
class run_observer : public event_relay::no_observer {
 public:
  run_observer(tally& counts, std::optional<notification_log> log, kill_switch& kill)
      : counts_{&counts}, log_{log}, kill_{&kill} {}

  void on_claimed(std::span<const claimed_event>) { kill_->pass(kill_switch::after_claim); }

  void on_run_started(const claimed_event& claim, event_relay::instant) {
    const std::lock_guard lock{counts_->mutex};
    counts_->run.attempts += counts_->run.counts_of(claim.record.name) != nullptr ? 1 : 0;
  }

  void on_settling() { kill_->pass(kill_switch::before_settle); }

  void on_settled(const claimed_event& claim, const event_relay::decision& decided, settle_status status) {
    kill_->pass(kill_switch::after_commit);
    if (status != settle_status::applied) {
      return;
    }
    const std::lock_guard lock{counts_->mutex};
    if (counts_->run.counts_of(claim.record.name) != nullptr) {
      counts_->run.count_ended(claim.record.name, decided.status);
    } else if (decided.status == attempt_status::processed) {
      ++counts_->run.notifications;
      if (log_) {
        write_down(*log_, claim.record);
      }
    }
  }

 private:
  static void write_down(notification_log& log, const event_relay::event_record& delivered) {
    using event_relay::notification_channel;
    const auto content = event_relay::json_codec{}.decode<event_relay::notification_payload>(delivered.payload);
    const bool is_email = delivered.name == event_relay::email_notification::name;
    log.write(delivered.id, is_email ? notification_channel::email : notification_channel::push, content,
              delivered.caused_by, delivered.correlation_id, delivered.occurred_at);
  }

  tally* counts_;
  std::optional<notification_log> log_;
  kill_switch* kill_;
};

/// The bookings' events and their notifications, each to the one who deals with it.
class event_handler : public booking_handler<>, public delivery_handler {
 public:
  explicit event_handler(kill_switch& kill) : delivery_handler{kill} {}
  using booking_handler<>::operator();
  using delivery_handler::operator();
};

event_relay::family_limits limits_of(const options& chosen) {
  event_relay::family_limits limits;
  return chosen.emails_per_second
             ? std::move(limits).with<event_relay::email_notification>({.per_second = chosen.emails_per_second})
             : limits;
}

/// Requests a stop when the scope is left, however that comes about.
struct stop_at_end {
  std::stop_source& source;
  ~stop_at_end() { source.request_stop(); }
};

}  // namespace

run_summary run_on_database(const options& chosen, const run_files& files, const std::stop_token& stop) {
  return with_sink(files.breadcrumbs, [&](auto sink) {
    tally counts;
    kill_switch kill{chosen.kill_at};
    event_relay::sqlite::store store{*chosen.database, {.keep_processed = chosen.keep_processed}};
    event_relay::outbox outbox{outbox_events{}, store, event_relay::json_codec{}};
    event_relay::worker worker{outbox, event_handler{kill},
                               event_relay::worker_options()
                                   .with_max_attempts(chosen.max_attempts)
                                   .with_threads(chosen.workers)
                                   .with_batch(chosen.batch)
                                   .with_lease(lease)
                                   .with_family_limits(limits_of(chosen))
                                   .with_backoff(event_relay::exponential_backoff{chosen.base_backoff})
                                   .with_faults(injected_faults(chosen))
                                   .with_sink(std::move(sink))
                                   .with_observer(run_observer{counts, log_to(files.notifications), kill})};

    event_relay::sqlite::connection database{*chosen.database, busy_timeout};
    bookings_in_sqlite table{database};
    outbox_publisher publisher{outbox, database, counts};
    const row_ids ids{chosen.input};
    booking_service service{table, publisher, event_relay::system_clock{}, ids};

    std::stop_source playing;
    const std::stop_callback forward{stop, [&] { playing.request_stop(); }};
    auto carried = std::async(std::launch::async, [&] { return worker.run(playing.get_token()); });
    {
      const stop_at_end whatever_happens{playing};
      counts.run.rejected_rows = play_rows(files.bookings, stop, [&](const booking_row& row) {
        event_relay::sqlite::immediate_transaction change{database};
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
    }
    event_relay::worker_report report = carried.get();
    report += worker.run_until_done(stop);
    counts.run.stale_settles = report.stale_settles;
    counts.run.lost_breadcrumbs = report.lost_breadcrumbs;
    return counts.run;
  });
}

}  // namespace bookings
