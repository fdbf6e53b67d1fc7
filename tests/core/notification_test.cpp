// SPDX-License-Identifier: MIT
#include "event_relay/core/notification.hpp"

#include <set>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using event_relay_test::sample_instant;

notification of(std::string event_id, notification_request content, instant at = sample_instant,
                const std::string& correlation = "corr-1") {
  return {std::move(content), std::move(event_id), correlation_id::parse(correlation).value(), at};
}

std::string id_of(std::string event_id, notification_request content) {
  return of(std::move(event_id), std::move(content)).id().to_string();
}

}  // namespace

TEST_CASE("notification: email and push, with and without a subject") {
  const notification_request mail = email("ada", "Booked", "All is well", "first");
  CHECK(mail.channel == notification_channel::email);
  CHECK(mail.recipient == "ada");
  CHECK(mail.subject == "Booked");
  CHECK(mail.body == "All is well");
  CHECK(mail.discriminator == "first");

  const notification_request note = push("ada", "All is well", "second");
  CHECK(note.channel == notification_channel::push);
  CHECK(note.recipient == "ada");
  CHECK_FALSE(note.subject.has_value());
  CHECK(note.body == "All is well");
  CHECK(note.discriminator == "second");

  CHECK(email("ada", "Booked", "All is well").discriminator.empty());
  CHECK(push("ada", "All is well").discriminator.empty());
}

TEST_CASE("notification: channels on the wire") {
  STATIC_REQUIRE(wire_name(notification_channel::email) == "email");
  STATIC_REQUIRE(wire_name(notification_channel::push) == "push");
  STATIC_REQUIRE(wire_name(static_cast<notification_channel>(99)) == "unknown");
}

TEST_CASE("notification: ids, as they always were") {
  // Computed with Python's uuid.uuid5: a change here makes every receiver see old notifications as new.
  CHECK(id_of("evt-1", email("customer-1", "", "")) == "38722557-8955-56be-84a5-d1fde65bc0e6");
  CHECK(id_of("evt-1", push("customer-1", "", "reminder")) == "06c9b970-92d1-5807-b008-c6f0f0bd630e");
}

TEST_CASE("notification: id, a UUID of version 5 and of the variant of RFC 9562") {
  for (const std::string event_id :
       {"", "evt-1", "evt-2", "a much longer id that fills more than one block of the hash"}) {
    const uuid id = of(event_id, push("ada", "")).id();
    CHECK(id.bytes[6] >> 4U == 5);
    CHECK(id.bytes[8] >> 6U == 2);
  }
}

TEST_CASE("notification: what differs between attempts, no part of the id") {
  const auto first = of("evt-1", email("ada", "Booked", "text"));
  CHECK(first.id() == of("evt-1", email("ada", "Booked", "text")).id());
  CHECK(first.id() == of("evt-1", email("ada", "Booked", "text"), max_instant).id());
  CHECK(first.id() == of("evt-1", email("ada", "Booked", "text"), sample_instant, "corr-2").id());
  CHECK(first.id() == of("evt-1", email("ada", "Other subject", "other text")).id());
}

TEST_CASE("notification: event, channel, recipient or discriminator differ, the id differs") {
  const std::string ids[] = {
      id_of("evt-1", email("ada", "s", "b")),
      id_of("evt-2", email("ada", "s", "b")),
      id_of("evt-1", push("ada", "b")),
      id_of("evt-1", email("bob", "s", "b")),
      id_of("evt-1", email("ada", "s", "b", "again")),
  };
  CHECK(std::set<std::string>(std::begin(ids), std::end(ids)).size() == std::size(ids));
}

TEST_CASE("notification: quadruples that are one text when joined, different ids") {
  const std::string ids[] = {
      id_of("ab", push("c", "", "d")),           id_of("a", push("bc", "", "d")),
      id_of("ab", push("cd", "", "")),           id_of("ab", push("", "", "cd")),
      id_of("abcd", push("", "", "")),           id_of("", push("abcd", "", "")),
      id_of("", push("", "", "abcd")),           id_of("a", push("b", "", "c1:d")),
      id_of("a", push("b1:c", "", "d")),         id_of("a4:push1:b", push("", "", "")),
      id_of("a", push("b0:", "", "")),           id_of("a", push("b", "", "0:")),
      id_of("push", push("", "", "")),           id_of(std::string("\0", 1), push("", "")),
      id_of("", push(std::string("\0", 1), "")),
  };
  CHECK(std::set<std::string>(std::begin(ids), std::end(ids)).size() == std::size(ids));
}
