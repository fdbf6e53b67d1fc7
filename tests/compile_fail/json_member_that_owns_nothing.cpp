// SPDX-License-Identifier: MIT
// expect: event_relay: a payload's member must own what it holds, this type only shows it
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <event_relay/json/json_codec.hpp>

namespace {

#ifdef MUST_NOT_COMPILE
using text = std::string_view;
#else
using text = std::string;
#endif

struct booking {
  std::string id;
  std::optional<std::vector<text>> notes;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id),
                                                             event_relay::field("notes", &booking::notes));
};

[[maybe_unused]] booking read() { return event_relay::json_codec{}.decode<booking>("{}"); }

}  // namespace
