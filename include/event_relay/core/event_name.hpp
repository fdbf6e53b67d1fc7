// SPDX-License-Identifier: MIT
// The wire name of an event, checked by the compiler, and the names that follow from it: its pipeline,
// its dead-letter queue and the steps that breadcrumbs report.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "event_relay/core/fixed_string.hpp"

namespace event_relay {

/// Two or more words joined by dots; a word is a lower-case letter followed by lower-case letters, digits
/// and underscores: "booking.created".
constexpr bool is_event_name(std::string_view name) {
  bool at_word_start = true;
  std::size_t words = 0;
  for (const char character : name) {
    const bool letter = character >= 'a' && character <= 'z';
    const bool inner = letter || (character >= '0' && character <= '9') || character == '_';
    if (at_word_start ? !letter : !inner && character != '.') {
      return false;
    }
    words += at_word_start ? 1 : 0;
    at_word_start = character == '.';
  }
  return words >= 2 && !at_word_start;
}

namespace detail {

template <char... Name>
struct malformed_event_name {
  static_assert(sizeof...(Name) == static_cast<std::size_t>(-1),
                "event_relay: an event's name must be lower-case dotted words, as in \"booking.created\"; "
                "the name that is not is spelled in malformed_event_name<...>");
};

template <fixed_string Name>
consteval auto pipeline_of() {
  auto dashed = Name;
  std::replace(dashed.text, dashed.text + dashed.size(), '.', '-');
  return dashed + fixed_string{"-orchestration"};
}

template <fixed_string Name>
consteval auto last_word_of() {
  constexpr std::size_t start = Name.view().rfind('.') + 1;
  fixed_string<Name.size() - start> word;
  std::copy_n(Name.text + start, word.size(), word.text);
  return word;
}

// The texts themselves, with static storage, of which `event_names` has views.
template <fixed_string Name>
struct event_name_texts {
  static constexpr auto name = Name;
  static constexpr auto pipeline = pipeline_of<Name>();
  static constexpr auto dead_letter_queue = Name + fixed_string{".dlq"};
  static constexpr auto emit_step = Name + fixed_string{".domain-event.emit"};
  static constexpr auto attempt_step = Name + fixed_string{".worker-consume"};
  static constexpr auto relay_attempt_step = Name + fixed_string{".domain-event.relay.attempt"};
  static constexpr auto relay_step = Name + fixed_string{".domain-event.relay"};
  static constexpr auto email_queued_step =
      fixed_string{"notification."} + last_word_of<Name>() + fixed_string{".email.queued"};
  static constexpr auto push_queued_step =
      fixed_string{"notification."} + last_word_of<Name>() + fixed_string{".push.queued"};
};

}  // namespace detail

/// All the names that follow from an event's name, built at compile time. A malformed `Name` does not
/// compile.
template <fixed_string Name>
struct event_names {
  static constexpr bool is_well_formed = [] {
    if constexpr (!is_event_name(Name.view())) {
      detail::spell<detail::malformed_event_name, Name>();
    }
    return is_event_name(Name.view());
  }();

 private:
  using texts = detail::event_name_texts<Name>;

 public:
  static constexpr std::string_view name = texts::name.view();
  /// The identifier of the event's processing: "booking-created-orchestration".
  static constexpr std::string_view pipeline = texts::pipeline.view();
  /// Where its dead letters belong: "booking.created.dlq".
  static constexpr std::string_view dead_letter_queue = texts::dead_letter_queue.view();

  static constexpr std::string_view emit_step = texts::emit_step.view();
  static constexpr std::string_view attempt_step = texts::attempt_step.view();
  static constexpr std::string_view relay_attempt_step = texts::relay_attempt_step.view();
  static constexpr std::string_view relay_step = texts::relay_step.view();
  static constexpr std::string_view email_queued_step = texts::email_queued_step.view();
  static constexpr std::string_view push_queued_step = texts::push_queued_step.view();
};

}  // namespace event_relay
