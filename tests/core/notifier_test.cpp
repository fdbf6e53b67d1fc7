// SPDX-License-Identifier: MIT
#include "event_relay/core/notifier.hpp"

#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using event_relay_test::sample_instant;

notification with_body(const std::string& body) {
  return {push("ada", body), "evt-1", correlation_id::parse("corr-1").value(), sample_instant};
}

struct by_reference {
  void notify(const notification&);
};
struct by_value {
  bool notify(notification) const;
};
struct by_mutable_reference {
  void notify(notification&);
};
struct only_by_move {
  void notify(notification&&);
};
struct of_requests {
  void notify(const notification_request&);
};

static_assert(notifier<collecting_notifier>);
static_assert(notifier<by_reference>);
static_assert(notifier<by_value>);
static_assert(notifier<const by_value>);
static_assert(!notifier<const by_reference>);
static_assert(!notifier<by_mutable_reference>);
static_assert(!notifier<only_by_move>);
static_assert(!notifier<of_requests>);
static_assert(!notifier<int>);

}  // namespace

TEST_CASE("notifier: collected, all since the last take, oldest first") {
  collecting_notifier collecting;
  CHECK(collecting.take().empty());
  for (const auto* body : {"1", "2", "3"}) {
    collecting.notify(with_body(body));
  }
  const std::vector<notification> taken = collecting.take();
  REQUIRE(taken.size() == 3);
  CHECK(taken[0].content.body == "1");
  CHECK(taken[1].content.body == "2");
  CHECK(taken[2].content.body == "3");
  CHECK(taken[2].id() == with_body("3").id());
  CHECK(collecting.take().empty());

  collecting.notify(with_body("4"));
  CHECK(collecting.take().at(0).content.body == "4");
}

TEST_CASE("notifier: copies of the collecting one, one collection") {
  collecting_notifier original;
  collecting_notifier copy = original;
  copy.notify(with_body("1"));
  original.notify(with_body("2"));
  CHECK(copy.take().size() == 2);
  CHECK(original.take().empty());

  collecting_notifier another;
  another.notify(with_body("3"));
  CHECK(original.take().empty());
}

TEST_CASE("notifier: several threads at once, nothing lost") {
  collecting_notifier collecting;
  std::size_t taken = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([collecting]() mutable {
        for (int each = 0; each < 250; ++each) {
          collecting.notify(with_body("text"));
        }
      });
    }
    taken += collecting.take().size();
  }
  taken += collecting.take().size();
  CHECK(taken == 1'000);
}
