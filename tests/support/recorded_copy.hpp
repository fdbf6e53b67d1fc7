// SPDX-License-Identifier: MIT
// The notification copy of the recorded cases: short, and the same for every event.
#pragma once

#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>

#include "events.hpp"

namespace event_relay_test {

struct recorded_copy {
  std::string subject(std::string_view event_name, const bookings::booking_details& booking) const {
    return joined(event_name, " for ", booking.requested_service);
  }
  std::string body(std::string_view, event_relay::notification_channel channel,
                   const bookings::booking_details& booking) const {
    return joined(wire_name(channel), ": ", booking.requested_service);
  }

 private:
  static std::string joined(std::string_view first, std::string_view between, std::string_view last) {
    std::string text;
    text.reserve(first.size() + between.size() + last.size());
    text.append(first).append(between).append(last);
    return text;
  }
};

}  // namespace event_relay_test
