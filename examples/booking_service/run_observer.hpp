// SPDX-License-Identifier: MIT
// What a run on a database counts and writes down while its worker goes.
#pragma once

#include <mutex>
#include <optional>
#include <span>

#include <event_relay/json/json_codec.hpp>
#include <event_relay/outbox/notification_events.hpp>
#include <event_relay/outbox/worker.hpp>

#include "kill_switch.hpp"
#include "notification_log.hpp"
#include "summary.hpp"

namespace bookings {

/// What a run counts, from every thread.
struct tally {
  std::mutex mutex;
  run_summary run;
};

/// Counts what the worker's threads do, writes down what was delivered, and passes the points at which a run
/// may kill itself. Refers to all.
class run_observer : public event_relay::no_observer {
 public:
  run_observer(tally& counts, std::optional<notification_log> log, kill_switch& kill)
      : counts_{&counts}, log_{log}, kill_{&kill} {}

  void on_claimed(std::span<const event_relay::claimed_event>) { kill_->pass(kill_switch::after_claim); }

  void on_run_started(const event_relay::claimed_event& claim, event_relay::instant) {
    const std::lock_guard lock{counts_->mutex};
    counts_->run.attempts += counts_->run.counts_of(claim.record.name) != nullptr ? 1 : 0;
  }

  void on_settling() { kill_->pass(kill_switch::before_settle); }

  void on_settled(const event_relay::claimed_event& claim, const event_relay::decision& decided,
                  event_relay::settle_status status) {
    kill_->pass(kill_switch::after_commit);
    if (status != event_relay::settle_status::applied) {
      return;
    }
    const std::lock_guard lock{counts_->mutex};
    if (counts_->run.counts_of(claim.record.name) != nullptr) {
      counts_->run.count_ended(claim.record.name, decided.status);
    } else if (decided.status == event_relay::attempt_status::processed) {
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

}  // namespace bookings
