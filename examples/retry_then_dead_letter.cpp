// SPDX-License-Identifier: MIT
// What becomes of an event whose handler fails: it is tried again, and when that is of no use it ends as a
// dead letter, which the host gets to see.
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include <event_relay/event_relay.hpp>

namespace {

struct payment {
  std::string id;
  int gateway_failures = 0;
  bool card_is_known = true;
  static constexpr auto fields = event_relay::payload_fields(
      event_relay::reference("paymentId", &payment::id), event_relay::field("failures", &payment::gateway_failures),
      event_relay::field("cardIsKnown", &payment::card_is_known));
};
using payment_captured = event_relay::domain_event<"payment.captured", payment>;

struct payment_handler {
  event_relay::outcome operator()(const event_relay::worker_envelope<payment_captured>& envelope) const {
    const payment& paid = envelope.event.payload;
    if (!paid.card_is_known) {
      return event_relay::reject{"no such card"};  // trying again cannot help
    }
    if (static_cast<int>(envelope.retry.attempt) <= paid.gateway_failures) {
      throw std::runtime_error("gateway timed out");  // the same as returning retry{"gateway timed out"}
    }
    return event_relay::processed{};
  }
};

void report_dead_letter(const event_relay::worker_envelope<payment_captured>& envelope, std::string_view error) {
  fmt::print("  into {}: {}, {}\n", envelope.dead_letter->queue_name, wire_name(envelope.dead_letter->reason), error);
}

}  // namespace

int main() {
  event_relay::relay relay{event_relay::event_catalog<payment_captured>{}, payment_handler{},
                           event_relay::relay_options().with_max_attempts(3).with_dead_letters(&report_dead_letter)};
  event_relay::event_factory events;
  for (const payment& each :
       {payment{"p-1", 0, true}, payment{"p-2", 2, true}, payment{"p-3", 9, true}, payment{"p-4", 0, false}}) {
    const auto result = relay.publish(events.make<payment_captured>(each));
    fmt::print("{}: {} after {} attempt(s)\n", each.id, wire_name(result.status), result.retry.attempt);
  }
}
