// SPDX-License-Identifier: MIT
// expect: event_relay: JSON cannot tell which optional is absent, the outer or the one in it
#include <optional>
#include <string>

#include <event_relay/json/json_codec.hpp>

namespace {

#ifdef MUST_NOT_COMPILE
using note = std::optional<std::optional<std::string>>;
#else
using note = std::optional<std::string>;
#endif

struct booking {
  note written_note;
  static constexpr auto fields = event_relay::payload_fields(event_relay::field("note", &booking::written_note));
};

[[maybe_unused]] std::string write() { return event_relay::json_codec{}.encode(booking{}); }

}  // namespace
