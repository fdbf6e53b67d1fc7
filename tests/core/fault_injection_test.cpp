// SPDX-License-Identifier: MIT
#include "event_relay/core/fault_injection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace {

using namespace event_relay;
using event_relay_test::refusal;

struct note {
  std::string id;
  static constexpr auto fields = payload_fields(reference("noteId", &note::id));
};
using note_written = domain_event<"note.written", note>;
struct note_erased : domain_event<"note.erased", note> {};

constexpr attempt_info attempt_of(std::string_view id, attempt_number attempt) { return {"note.written", id, attempt}; }

struct not_const {
  bool operator()(const attempt_info&);
};
struct without_answer {
  void operator()(const attempt_info&) const;
};
constexpr auto by_number = [](const attempt_info& info) { return info.attempt == 7; };

static_assert(fault_injection<no_faults> && fault_injection<fail_until> && fault_injection<fail_attempts>);
static_assert(fault_injection<fail_at_rate> && fault_injection<is_event<note_written>>);
static_assert(fault_injection<decltype(by_number)> && fault_injection<bool (*)(const attempt_info&)>);
static_assert(fault_injection<fail_only<is_event<note_written>, fail_until>>);
static_assert(!fault_injection<int> && !fault_injection<not_const> && !fault_injection<without_answer>);
static_assert(!fault_injection<bool (*)(std::string)> && !fault_injection<bool (*)(attempt_info&)>);

static_assert(!no_faults{}(attempt_of("a", 1)));
static_assert(fail_until{2}(attempt_of("a", 2)) && !fail_until{2}(attempt_of("a", 3)));
static_assert(fail_at_rate{1.0, 1}(attempt_of("a", 1)) && !fail_at_rate{0.0, 1}(attempt_of("a", 1)));

constexpr attempt_number last_number = std::numeric_limits<attempt_number>::max();

// Which of the attempts 1 of events "event-0" to "event-<count - 1>" fail.
std::vector<bool> failures(const fail_at_rate& policy, unsigned count) {
  std::vector<bool> failed;
  for (unsigned at = 0; at < count; ++at) {
    failed.push_back(policy(attempt_of("event-" + std::to_string(at), 1)));
  }
  return failed;
}

std::size_t count_true(const std::vector<bool>& all) {
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), true));
}

}  // namespace

TEST_CASE("no_faults: any attempt, does not fail") {
  for (const attempt_number attempt : {1U, 2U, 1000U, last_number}) {
    CHECK_FALSE(no_faults{}(attempt_of("a", attempt)));
  }
}

TEST_CASE("fail_until: attempts up to the last fail, those after it do not") {
  for (const attempt_number last : {0U, 1U, 2U, 5U, last_number}) {
    for (const attempt_number attempt : {1U, 2U, 3U, 4U, 5U, 6U, last_number - 1, last_number}) {
      CHECK(fail_until{last}(attempt_of("a", attempt)) == (attempt <= last));
    }
  }
  CHECK_FALSE(fail_until{}(attempt_of("a", 1)));
}

TEST_CASE("fail_attempts: a list, exactly its attempts fail") {
  const fail_attempts policy{4, 1, last_number, 4};
  for (const auto& [attempt, fails] : {std::pair{1U, true}, {2U, false}, {3U, false}, {4U, true}, {5U, false}}) {
    CHECK(policy(attempt_of("a", attempt)) == fails);
  }
  CHECK(policy(attempt_of("a", last_number)));
  CHECK_FALSE(policy(attempt_of("a", last_number - 1)));
  CHECK_FALSE(fail_attempts{std::vector<attempt_number>{}}(attempt_of("a", 1)));
}

TEST_CASE("fail_attempts: attempt 0 anywhere in the list, refused") {
  const std::string said = "fail_attempts: attempt is 0, must be 1 or more";
  CHECK(refusal([] { fail_attempts{0}; }) == said);
  CHECK(refusal([] { fail_attempts{1, 2, 0}; }) == said);
  CHECK(refusal([] { fail_attempts{std::vector<attempt_number>{3, 0, 1}}; }) == said);
}

TEST_CASE("fail_at_rate: rates from 0 to 1 over 100000 events, about as many fail") {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    CHECK(count_true(failures({0.0, seed}, 100'000)) == 0);
    CHECK(count_true(failures({1.0, seed}, 100'000)) == 100'000);
    for (const double rate : {0.01, 0.25, 0.5, 0.9}) {
      const auto expected = static_cast<std::size_t>(rate * 100'000);
      const std::size_t failed = count_true(failures({rate, seed}, 100'000));
      CHECK(failed > expected - 1000);
      CHECK(failed < expected + 1000);
    }
  }
}

TEST_CASE("fail_at_rate: a higher rate of the same seed, fails what the lower one fails and more") {
  const auto lower = failures({0.2, 11}, 10'000);
  const auto higher = failures({0.3, 11}, 10'000);
  std::size_t only_lower = 0;
  for (std::size_t at = 0; at < lower.size(); ++at) {
    only_lower += lower[at] && !higher[at] ? 1 : 0;
  }
  CHECK(only_lower == 0);
}

TEST_CASE("fail_at_rate: the same seed, event and attempt, the same answer") {
  CHECK(failures({0.5, 42}, 10'000) == failures({0.5, 42}, 10'000));
  const fail_at_rate policy{0.5, 42};
  std::size_t differing = 0;
  for (attempt_number attempt = 1; attempt <= 1000; ++attempt) {
    differing += policy({"note.written", "a", attempt}) == policy({"note.erased", "a", attempt}) ? 0 : 1;
  }
  CHECK(differing == 0);
}

TEST_CASE("fail_at_rate: another seed, attempt or order of the id's characters, another answer for about half") {
  const fail_at_rate policy{0.5, 42};
  unsigned by_seed = 0;
  unsigned by_attempt = 0;
  unsigned by_order = 0;
  for (unsigned at = 0; at < 10'000; ++at) {
    const std::string id = std::to_string(at);
    const bool answer = policy(attempt_of(id + "ab", 1));
    by_seed += fail_at_rate{0.5, 43}(attempt_of(id + "ab", 1)) == answer ? 0 : 1;
    by_attempt += policy(attempt_of(id + "ab", 2)) == answer ? 0 : 1;
    by_order += policy(attempt_of(id + "ba", 1)) == answer ? 0 : 1;
  }
  for (const unsigned differing : {by_seed, by_attempt, by_order}) {
    CHECK(differing > 4500);
    CHECK(differing < 5500);
  }
}

TEST_CASE("fail_at_rate: a rate outside 0 to 1, refused with its value") {
  using limits = std::numeric_limits<double>;
  const std::pair<double, std::string> cases[] = {{-0.25, "-0.25"},
                                                  {1.5, "1.5"},
                                                  {limits::infinity(), "inf"},
                                                  {-limits::infinity(), "-inf"},
                                                  {limits::quiet_NaN(), "nan"}};
  for (const auto& each : cases) {
    CHECK(refusal([&] { fail_at_rate(each.first, 1); }) == "fail_at_rate: rate is " + each.second + ", must be 0 to 1");
  }
  CHECK(refusal([] { fail_at_rate(1.0 + limits::epsilon(), 1); }) != "not refused");
  CHECK(refusal([] { fail_at_rate(-limits::denorm_min(), 1); }) != "not refused");
}

TEST_CASE("fail_only: a predicate and a policy, only attempts that the predicate picks can fail") {
  const fail_only policy{is_event<note_written>{}, fail_until{2}};
  CHECK(policy({note_written::name, "a", 2}));
  CHECK_FALSE(policy({note_written::name, "a", 3}));
  CHECK_FALSE(policy({note_erased::name, "a", 1}));
  const fail_only one_booking{[](const attempt_info& info) { return info.event_id == "b"; }, by_number};
  CHECK(one_booking(attempt_of("b", 7)));
  CHECK_FALSE(one_booking(attempt_of("b", 6)));
  CHECK_FALSE(one_booking(attempt_of("a", 7)));
}

TEST_CASE("is_event: names of events, only its own is one") {
  static_assert(is_event<note_written>{}({"note.written", "a", 1}));
  static_assert(is_event<note_erased>{}({"note.erased", "a", 1}));
  for (const std::string_view other : {"note.writte", "note.written2", "note.erased", ""}) {
    CHECK_FALSE(is_event<note_written>{}({other, "a", 1}));
  }
}
