// SPDX-License-Identifier: MIT
// A handler is the host's code, with an overload for each event. Here are the check that none is missing, and
// the call that turns what the handler returns or throws into an outcome.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/fixed_string.hpp"
#include "event_relay/core/outcome.hpp"

namespace event_relay {

namespace detail {

template <class Result, class Outcome>
concept answers = std::is_void_v<Result> || std::convertible_to<Result, Outcome>;

}  // namespace detail

/// Takes the envelope of `Event` and returns an `Outcome`, what converts to one (its alternatives do), or
/// nothing, which is `processed`. It may throw anything. **Delivery**: at least once; it runs again after an
/// attempt that failed, in the handler or in the notifier after it, so its effects must be repeatable.
/// **Thread safety**: it runs on the thread that publishes, or on any thread of a worker; a handler that
/// threads share must be thread-safe.
template <class Handler, class Event, class Outcome = outcome>
concept handler_of = event_type<Event> && requires(Handler& handler, const worker_envelope<Event>& envelope) {
  { handler(envelope) } -> detail::answers<Outcome>;
};

namespace detail {

template <char... Name>
struct no_handler_for {
  static_assert(
      sizeof...(Name) == static_cast<std::size_t>(-1),
      "event_relay: the handler has no overload for an event of the catalog, taking const worker_envelope<Event>& "
      "and returning an outcome or nothing; the event's name is spelled in no_handler_for<...>");
};

template <class Handler, event_type Event, class Outcome>
consteval bool require_handler() {
  if constexpr (!handler_of<Handler, Event, Outcome>) {
    spell<no_handler_for, Event::name_literal>();
  }
  return handler_of<Handler, Event, Outcome>;
}

template <class Handler, class Catalog, class Outcome = outcome>
inline constexpr bool handles_all = false;
template <class Handler, class... Events, class Outcome>
inline constexpr bool handles_all<Handler, event_catalog<Events...>, Outcome> =
    (require_handler<Handler, Events, Outcome>() && ...);

// A failure's text, or none if there is no memory for it: the attempt's end matters more than its text.
inline std::string failure_text(const char* what) noexcept {
  try {
    return what != nullptr ? std::string{what} : std::string{};
  } catch (...) {
    return {};
  }
}

// The exception that is being handled, as a failed attempt; `otherwise` is the text where it has none.
inline retry failure_from_exception(const char* otherwise) noexcept {
  try {
    throw;
  } catch (const std::exception& error) {
    return retry{failure_text(error.what())};
  } catch (...) {
    return retry{failure_text(otherwise)};
  }
}

}  // namespace detail

/// Several handlers as one: handlers{[](const worker_envelope<booking_created>&) {...}, ...}.
template <class... Handlers>
struct handlers : Handlers... {
  using Handlers::operator()...;
};

template <class... Handlers>
handlers(Handlers...) -> handlers<Handlers...>;

/// Runs the handler. Whatever it throws becomes a `retry` with the exception's text.
template <event_type Event, class Outcome = outcome, handler_of<Event, Outcome> Handler>
Outcome invoke_handler(Handler& handler, const worker_envelope<Event>& envelope) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Handler&, const worker_envelope<Event>&>>) {
      handler(envelope);
      return processed{};
    } else {
      return handler(envelope);
    }
  } catch (...) {
    return detail::failure_from_exception("the handler threw something that is not a std::exception");
  }
}

}  // namespace event_relay
