// SPDX-License-Identifier: MIT
// The service: who may do what to a booking, and which event tells of it. It changes its table first and
// publishes then; it knows nothing of attempts, retries or notifications, nor of the database transaction
// that may hold the two together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

#include "booking.hpp"
#include "events.hpp"

namespace bookings {

enum class role { customer, provider };

/// Who makes a request.
struct caller {
  std::string user_id;
  role acts_as = role::customer;
};

struct booking_request {
  std::string requested_service;
  std::optional<std::string> customer_location = std::nullopt;
  std::int64_t price_cents = 0;
  std::string currency = "EUR";
};

/// Every function throws service_error where it refuses. Not thread-safe. Refers to the table and the
/// publisher, which must outlive it.
template <booking_table Table, event_relay::publisher<booking_events> Publisher,
          event_relay::clock Clock = event_relay::system_clock, event_relay::id_source Ids = event_relay::process_ids>
class booking_service {
 public:
  booking_service(Table& table, Publisher& publisher, Clock clock = {}, Ids ids = {})
      : table_{table}, publisher_{publisher}, clock_{std::move(clock)}, ids_{std::move(ids)} {}

  /// Submits a booking of the calling customer; returns its id.
  std::string create(const caller& by, booking_request request, const event_relay::correlation_id& correlation) {
    require_role(by, role::customer, "create");
    booking made{.id = fmt::format("booking-{}", ids_.next_id()),
                 .customer_user_id = by.user_id,
                 .requested_service = std::move(request.requested_service),
                 .customer_location = std::move(request.customer_location),
                 .price_cents = request.price_cents,
                 .currency = std::move(request.currency)};
    table_.insert(made);
    publish<booking_created>(details_of(made), clock_.now(), false, correlation);
    return made.id;
  }

  void accept(const caller& by, std::string_view id, const event_relay::correlation_id& correlation) {
    require_role(by, role::provider, "accept");
    booking stored = advance(id, booking_state::accepted);
    record_provider(stored, by);
    table_.update(stored);
    publish<booking_accepted>(details_of(stored), clock_.now(), false, correlation);
  }

  void decline(const caller& by, std::string_view id, std::string reason,
               const event_relay::correlation_id& correlation) {
    require_role(by, role::provider, "decline");
    booking stored = advance(id, booking_state::declined);
    record_provider(stored, by);
    stored.decline_reason = std::move(reason);
    table_.update(stored);
    publish<booking_declined>(details_of(stored), clock_.now(), false, correlation);
  }

  /// Completes an accepted booking and captures its payment. Asked again, it charges nothing and tells
  /// both again, as replayed, with the instant of the payment.
  void complete(const caller& by, std::string_view id, const event_relay::correlation_id& correlation) {
    require_role(by, role::provider, "complete");
    booking stored = find(id);
    const bool replayed = stored.state == booking_state::completed;
    if (!replayed) {
      require_transition(stored, booking_state::completed);
    }
    if (!stored.provider_user_id) {
      throw service_error{service_fault::conflict, fmt::format("booking {} has no recorded provider", stored.id)};
    }
    if (!replayed) {
      stored.captured =
          payment{fmt::format("payment-{}", ids_.next_id()), stored.price_cents, stored.currency, clock_.now()};
      stored.state = booking_state::completed;
      table_.update(stored);
    }
    const event_relay::instant at = stored.captured->captured_at;
    publish<booking_completed>(details_of(stored), at, replayed, correlation);
    publish<payment_captured>(payment_of(stored), at, replayed, correlation);
  }

 private:
  static void require_role(const caller& by, role needed, std::string_view action) {
    if (by.acts_as != needed) {
      throw service_error{
          service_fault::forbidden,
          fmt::format("only a {} may {} a booking", needed == role::customer ? "customer" : "provider", action)};
    }
  }

  booking find(std::string_view id) {
    std::optional<booking> found = table_.find(id);
    if (!found) {
      throw service_error{service_fault::not_found, fmt::format("there is no booking {}", id)};
    }
    return *std::move(found);
  }

  static void require_transition(const booking& stored, booking_state to) {
    if (!may_become(stored.state, to)) {
      throw service_error{service_fault::conflict, fmt::format("booking {} is {} and cannot become {}", stored.id,
                                                               name_of(stored.state), name_of(to))};
    }
  }

  booking advance(std::string_view id, booking_state to) {
    booking stored = find(id);
    require_transition(stored, to);
    stored.state = to;
    return stored;
  }

  // The first provider who deals with a booking is its provider from then on.
  static void record_provider(booking& stored, const caller& by) {
    if (!stored.provider_user_id) {
      stored.provider_user_id = by.user_id;
    }
  }

  static booking_details details_of(const booking& stored) {
    return {.booking_id = stored.id,
            .customer_user_id = stored.customer_user_id,
            .requested_service = stored.requested_service,
            .status = std::string{name_of(stored.state)},
            .customer_location = stored.customer_location,
            .provider_user_id = stored.provider_user_id,
            .decline_reason = stored.decline_reason};
  }

  static payment_details payment_of(const booking& stored) {
    return {.payment_id = stored.captured->id,
            .booking_id = stored.id,
            .customer_user_id = stored.customer_user_id,
            .provider_user_id = *stored.provider_user_id,
            .amount_cents = stored.captured->amount_cents,
            .currency = stored.captured->currency,
            .status = "captured"};
  }

  template <class Event>
  void publish(typename Event::payload_type payload, event_relay::instant at, bool replayed,
               const event_relay::correlation_id& correlation) {
    publisher_.publish(Event{ids_.next_id(), at, correlation, replayed, std::move(payload)});
  }

  Table& table_;
  Publisher& publisher_;
  Clock clock_;
  Ids ids_;
};

}  // namespace bookings
