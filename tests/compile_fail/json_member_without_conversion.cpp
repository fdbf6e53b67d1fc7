// SPDX-License-Identifier: MIT
// expect: event_relay: JSON has no characters; make the payload's member a std::string or an integer
// expect: event_relay: the keys of a map must be std::string, and each there once
// expect: event_relay: a payload's member of this type is not JSON
#include <cstdint>
#include <map>
#include <string>
#include <valarray>
#include <vector>

#include <event_relay/json/json_codec.hpp>

namespace {

#ifdef MUST_NOT_COMPILE
using character = char;
using prices = std::map<int, double>;
using numbers = std::valarray<std::int8_t>;
#else
using character = std::int8_t;
using prices = std::map<std::string, double>;
using numbers = std::vector<std::int8_t>;
#endif

struct booking {
  character grade = 0;
  prices by_name;
  numbers scores;
  static constexpr auto fields = event_relay::payload_fields(event_relay::field("grade", &booking::grade),
                                                             event_relay::field("prices", &booking::by_name),
                                                             event_relay::field("scores", &booking::scores));
};

[[maybe_unused]] std::string write() { return event_relay::json_codec{}.encode(booking{}); }

}  // namespace
