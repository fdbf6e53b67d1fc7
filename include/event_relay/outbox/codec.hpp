// SPDX-License-Identifier: MIT
// How a payload becomes the text that is stored, and a payload again. The library has a codec for JSON (in
// json/); a host may write its own.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"

namespace event_relay {

namespace detail {

template <class Codec, class Payload>
concept codes_payload = requires(const Codec& codec, const Payload& payload, std::string_view text) {
  { codec.encode(payload) } -> std::same_as<std::string>;
  { codec.template decode<Payload>(text) } -> std::same_as<Payload>;
};

template <class Codec, class Catalog>
inline constexpr bool codes_all = false;
template <class Codec, class... Events>
inline constexpr bool codes_all<Codec, event_catalog<Events...>> =
    (codes_payload<Codec, typename Events::payload_type> && ...);

}  // namespace detail

/// `encode(payload)` and `decode<Payload>(text)` for every payload of the catalog; what was encoded decodes
/// to an equal value, by every later version too. Text is UTF-8 without NUL. **Errors**: `encode` throws for
/// what it cannot keep, and the append fails; if `decode` throws, the event becomes a dead letter with the
/// exception's text. **Thread safety**: both are const and called from any thread.
template <class Codec, class Catalog>
concept codec_of = detail::codes_all<Codec, Catalog>;

}  // namespace event_relay
