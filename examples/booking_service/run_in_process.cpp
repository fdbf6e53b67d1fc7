// SPDX-License-Identifier: MIT
#include <optional>
#include <utility>

#include <event_relay/event_relay.hpp>

#include "booking.hpp"
#include "events.hpp"
#include "handler.hpp"
#include "notification_log.hpp"
#include "play.hpp"
#include "row_ids.hpp"
#include "run.hpp"
#include "service.hpp"

namespace bookings {

namespace {

/// Publishes through a relay and counts what became of each event. Refers to both.
template <class Relay>
class counting_publisher {
 public:
  counting_publisher(Relay& relay, run_summary& run) : relay_{relay}, run_{run} {}

  template <event_relay::event_type Event>
  void publish(const Event& event) {
    run_.count_published(event);
    const event_relay::relay_result result = relay_.publish(event);
    run_.count_ended(Event::name, result.status);
    run_.attempts += result.retry.attempt;
    run_.lost_breadcrumbs += result.lost_breadcrumbs;
  }

 private:
  Relay& relay_;
  run_summary& run_;
};

/// In process, a notification counts as delivered when it is handed over. Refers to the summary.
class counting_notifier {
 public:
  counting_notifier(run_summary& run, std::optional<notification_log> log) : run_{&run}, log_{log} {}

  void notify(const event_relay::notification& queued) {
    if (log_) {
      log_->write(queued.id().to_string(), queued.content.channel, queued.content, queued.event_id,
                  queued.correlation.view(), queued.queued_at);
    }
    ++run_->notifications;
  }

 private:
  run_summary* run_;
  std::optional<notification_log> log_;
};

}  // namespace

run_summary run_in_process(const options& chosen, const run_files& files) {
  return with_sink(files.breadcrumbs, [&](auto sink) {
    run_summary run;
    event_relay::relay relay{booking_events{}, booking_handler{},
                             event_relay::relay_options()
                                 .with_max_attempts(chosen.max_attempts)
                                 .with_backoff(event_relay::exponential_backoff{chosen.base_backoff})
                                 .with_faults(injected_faults(chosen))
                                 .with_sink(std::move(sink))
                                 .with_notifier(counting_notifier{run, log_to(files.notifications)})};
    counting_publisher publisher{relay, run};
    bookings_in_memory table;
    const row_ids ids{chosen.input};
    booking_service service{table, publisher, event_relay::system_clock{}, ids};

    run.rejected_rows = play_rows(*files.bookings, {}, [&](const booking_row& row) {
      ids.start_row(row.line);
      play(service, row, ids);
    });
    return run;
  });
}

}  // namespace bookings
