// SPDX-License-Identifier: MIT
// Notifications as events: their names, and a payload that breadcrumbs show nothing of.
#include "event_relay/outbox/notification_events.hpp"

#include <array>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "event_relay/core/event_catalog.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;

static_assert(email_notification::name == "notification.email" && push_notification::name == "notification.push");
static_assert(email_notification::names::dead_letter_queue == "notification.email.dlq");
static_assert(push_notification::names::dead_letter_queue == "notification.push.dlq");
static_assert(std::same_as<email_notification::payload_type, notification_payload>);
static_assert(std::same_as<push_notification::payload_type, notification_payload>);
static_assert(event_catalog<event_relay_test::booking_created, email_notification, push_notification>::size == 3);

// A recipient and a text are a person's: no reference, so no breadcrumb shows them.
static_assert(std::tuple_size_v<decltype(references(std::declval<const notification_payload&>()))> == 0);

}  // namespace

TEST_CASE("notification_payload: its members on the wire, by name and in order") {
  const notification_payload sent{"ada", "Booked", "see you", "mail"};
  std::vector<std::string_view> names;
  std::string values;
  for_each_field(sent, [&]<class Value>(const auto& each, const Value& value) {
    names.push_back(each.name);
    if constexpr (std::same_as<Value, std::optional<std::string>>) {
      values += value.value() + ' ';
    } else {
      values += value + ' ';
    }
  });
  CHECK(names == std::vector<std::string_view>{"recipientUserId", "subject", "body", "discriminator"});
  CHECK(values == "ada Booked see you mail ");
}

TEST_CASE("notification_payload: without a subject and a discriminator, as a push has it") {
  const notification_payload sent{.recipient = "ada", .body = "see you"};
  CHECK_FALSE(sent.subject.has_value());
  CHECK(sent.discriminator.empty());
}
