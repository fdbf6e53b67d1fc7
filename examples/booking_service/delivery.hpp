// SPDX-License-Identifier: MIT
// The end of a notification. In this example "delivered" is a row in a table, written in the transaction that
// settles its event: both are there or neither, so each notification is delivered exactly once.
#pragma once

#include <string>

#include <event_relay/outbox/durable_outcome.hpp>
#include <event_relay/outbox/notification_events.hpp>

#include "kill_switch.hpp"

namespace bookings {

/// One overload serves both channels. A mailer would send here, and hand `envelope.event.id` to whoever
/// drops duplicates: outside the database a crash may repeat it. `Connection` is what the store gives to a
/// handler's writes.
template <class Connection>
class delivery_handler {
 public:
  explicit delivery_handler(kill_switch& kill) : kill_{&kill} {}

  using outcome = event_relay::durable_outcome<Connection>;

  outcome operator()(const event_relay::worker_envelope<event_relay::email_notification>& envelope) const {
    return deliver(envelope, event_relay::notification_channel::email);
  }
  outcome operator()(const event_relay::worker_envelope<event_relay::push_notification>& envelope) const {
    return deliver(envelope, event_relay::notification_channel::push);
  }

 private:
  template <class Event>
  outcome deliver(const event_relay::worker_envelope<Event>& envelope,
                  event_relay::notification_channel channel) const {
    return event_relay::settled_with{
        [kill = kill_, channel, id = envelope.event.id, payload = envelope.event.payload,
         cause = std::string{envelope.outbox->caused_by}, correlation = std::string{envelope.event.correlation.view()},
         at = event_relay::iso8601_text{envelope.event.occurred_at}](Connection& database) {
          database.execute("INSERT INTO notifications_delivered VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", id, cause,
                           wire_name(channel), payload.recipient, payload.subject, payload.body, correlation,
                           at.view());
          kill->pass(kill_switch::inside_settle);
        }};
  }

  kill_switch* kill_;
};

}  // namespace bookings
