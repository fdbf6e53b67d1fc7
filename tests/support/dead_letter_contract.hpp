// SPDX-License-Identifier: MIT
// The contract of every dead_letter_store and metrics_store, by itself and through the facade `dead_letters`, in
// the forms of support/store_contract.hpp. A store under test brings a `store_fixture` and registers the suite.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/dead_letters.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/memory_fixture.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace event_relay_test {

inline event_relay::event_record with_key(std::string id, std::string key) {
  event_relay::event_record record = record_of(std::move(id));
  record.ordering_key = std::move(key);
  return record;
}

/// The ids, joined by blanks.
inline std::string ids_of(const event_relay::dead_letter_page& page) {
  std::string ids;
  for (const event_relay::stored_event& each : page.events) {
    ids += (ids.empty() ? "" : " ") + each.record.id;
  }
  return ids;
}

/// "name: 3 attempts, 1 processed, 1 retried, 1 dead" for each name, joined by semicolons.
inline std::string outcomes_of(const event_relay::queue_metrics& metrics) {
  std::string text;
  for (const event_relay::outcome_counts& each : metrics.outcomes) {
    text += fmt::format("{}{}: {} attempts, {} processed, {} retried, {} dead", text.empty() ? "" : "; ", each.name,
                        each.attempts, each.processed, each.retried, each.dead_lettered);
  }
  return text;
}

/// The counts in the order of their members, and the lag in ms, "-" if there is none.
inline std::string counts_of(const event_relay::queue_metrics& metrics) {
  return fmt::format("{} ready, {} scheduled, {} leased, {} orphans, {} blocked, {} dead, {} held, lag {}",
                     metrics.ready, metrics.scheduled, metrics.leased, metrics.orphans, metrics.blocked,
                     metrics.dead_letters, metrics.held_keys,
                     metrics.oldest_lag ? fmt::format("{}", metrics.oldest_lag->count()) : "-");
}

/// A store's bench with the forms for dead letters.
template <class Fixture>
class dead_letter_bench : public store_bench<Fixture> {
  using base = store_bench<Fixture>;

 public:
  using base::base;
  using settlement = typename base::settlement;
  using milliseconds = typename base::milliseconds;
  using reason = event_relay::dead_letter_reason;
  using key_after = event_relay::key_after_dead_letter;

  event_relay::dead_letters<typename Fixture::store_type> letters{this->store()};

  /// The settlement with what a worker tells of the claimed event besides.
  static settlement told(settlement made, const event_relay::claimed_event& claim) {
    made.name = claim.record.name;
    made.ordering_key = claim.record.ordering_key;
    return made;
  }
  static settlement told_end(const event_relay::claimed_event& claim) { return told(base::end(claim), claim); }
  static settlement told_retry(const event_relay::claimed_event& claim, milliseconds delay = {},
                               std::optional<std::string> failure = std::nullopt) {
    return told(base::retry(claim, delay, std::move(failure)), claim);
  }
  static settlement told_bury(const event_relay::claimed_event& claim, key_after key = key_after::released,
                              reason why = reason::max_attempts_exhausted,
                              std::optional<std::string> failure = std::nullopt) {
    settlement made = told(base::bury(claim, why, std::move(failure)), claim);
    made.key = key;
    return made;
  }

  /// All that is ready becomes dead letters, now.
  void bury_ready(key_after key = key_after::released, reason why = reason::max_attempts_exhausted) {
    std::vector<settlement> all;
    for (const event_relay::claimed_event& each : this->claim(100'000)) {
      all.push_back(told_bury(each, key, why));
    }
    event_relay::settle(this->store(), std::span<const settlement>{all});
  }
  /// Ids or records, appended and dead, now.
  template <class... Each>
  void add_dead(const Each&... each) {
    this->add(each...);
    bury_ready();
  }
  /// Events "0" to "<count - 1>".
  void add_many_dead(std::size_t count) {
    std::vector<event_relay::event_record> records;
    for (std::size_t each = 0; each < count; ++each) {
      records.push_back(record_of(fmt::format("{}", each)));
    }
    this->begin();
    this->append_all(records);
    this->commit();
    bury_ready();
  }
  /// The only event that is ready fails so many times, with these texts, and is dead then.
  void fail_until_dead(const std::vector<std::string>& texts) {
    for (std::size_t each = 0; each + 1 < texts.size(); ++each) {
      this->settle(told_retry(this->claim_one(), {}, texts[each]));
    }
    this->settle(told_bury(this->claim_one(), key_after::released, reason::max_attempts_exhausted, texts.back()));
  }

  event_relay::dead_letter_page page(const std::optional<event_relay::dead_letter_cursor>& after, std::size_t limit) {
    return this->store().dead_letters({}, after, limit);
  }
  std::string listed(const event_relay::dead_letter_filter& filter = {}) {
    return ids_of(this->store().dead_letters(filter, std::nullopt, 100'000));
  }
  std::string ids_claimed() {
    std::string ids;
    for (const event_relay::claimed_event& each : this->claim()) {
      ids += (ids.empty() ? "" : " ") + each.record.id;
    }
    return ids;
  }

  event_relay::instant now() { return this->clock().now(); }
  std::vector<bool> redrive_ids(const std::vector<std::string>& ids, milliseconds after = {}) {
    std::vector<event_relay::redrive_request> requests;
    for (const std::string& each : ids) {
      requests.push_back({each, now() + after});
    }
    return this->store().redrive(requests);
  }
  bool redrive(const std::string& id, milliseconds after = {}) { return redrive_ids({id}, after).front(); }
  std::size_t purge(const std::vector<std::string>& ids) { return this->store().purge(ids); }

  std::string counts() { return counts_of(this->store().metrics()); }
  std::string outcomes() { return outcomes_of(this->store().metrics()); }

  /// One event in each state: "ready", "scheduled", "leased", "orphan", "blocked" (behind "leased") and "dead".
  void add_one_in_each_state() {
    add_dead("dead");
    this->add("orphan");
    this->claim_one();
    this->clock().advance(base::lease_length);
    this->look();
    this->add(with_key("leased", "key"));
    this->claim_one();
    this->add(with_key("blocked", "key"), "ready", due_at("scheduled", now() + std::chrono::hours{1}));
  }
};

template <store_fixture Fixture>
void register_list_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = dead_letter_bench<Fixture>;
  using reason = dead_letter_reason;

  test("dead letters, in the order of their death and then of their append, and nothing else", [] {
    bench on;
    on.add_one_in_each_state();
    CHECK(on.listed() == "dead");
    on.add("c", "b", due_at("late", on.now() + 1ms));
    auto claims = on.claim();  // "ready" among them
    REQUIRE(texts_of(claims) == std::vector<std::string>{"ready #1", "c #1", "b #1"});
    on.settle_all(bench::told_bury(claims[2]), bench::told_bury(claims[0]));
    on.clock().advance(1ms);
    on.bury_ready();
    on.settle(bench::told_bury(claims[1]));
    CHECK(on.listed() == "dead ready b c late");
  });

  test("dead letters, what is listed and shown: every field, payload and failures", [] {
    bench on;
    event_record full = with_key("a", "key");
    full.payload = R"({"bookingId":"booking-1"})";
    full.replayed = true;
    full.caused_by = "evt-0";
    full.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    full.source = "booking-api";
    on.add(full);
    on.settle(bench::told_retry(on.claim_one(), 0ms, "busy"));
    on.clock().advance(2s);
    const claimed_event last = on.claim_one();
    on.settle(bench::told_bury(last, bench::key_after::released, reason::rejected, "never"));
    const dead_letter_page page = on.letters.list();
    CHECK_FALSE(page.next.has_value());
    REQUIRE(page.events.size() == 1);
    const std::optional<stored_event> shown = on.letters.show("a");
    REQUIRE(shown.has_value());
    for (const stored_event& each : {page.events.front(), *shown}) {
      CHECK((each.record == full));
      CHECK(text_of(each) == "dead-letter 2 rejected at 2000, 1@0 busy, 2@2000 never");
      CHECK(each.token == last.held.token);
      CHECK_FALSE(each.holds_key);
    }
    on.add(with_key("b", "another"));
    on.bury_ready(bench::key_after::held);
    const stored_event held = on.letters.list().events.at(1);
    CHECK(held.holds_key);
    CHECK(held.failures.empty());
  });

  test("dead letters, shown: nothing for an unknown id or an event that is none", [] {
    bench on;
    on.add_one_in_each_state();
    for (const char* id : {"unknown", "", "ready", "scheduled", "leased", "orphan", "blocked"}) {
      INFO(id);
      CHECK_FALSE(on.letters.show(id).has_value());
    }
    CHECK(on.letters.show("dead").has_value());
  });

  test("dead letters, by each filter alone and by several together", [] {
    bench on;
    const auto die = [&](const char* id, const char* name, const char* key, const char* correlation, reason why) {
      event_record record = with_key(id, key);
      record.name = name;
      record.correlation_id = correlation;
      on.add(record);
      on.bury_ready(bench::key_after::released, why);
      on.clock().advance(1s);
    };
    die("a", "booking.created", "k1", "corr-1", reason::rejected);
    die("b", "booking.created", "k2", "corr-2", reason::undecodable);
    die("c", "payment.captured", "k1", "corr-2", reason::max_attempts_exhausted);
    die("d", "payment.captured", "", "corr-1", reason::rejected);
    die("e", "booking.created", "k1", "corr-1", reason::rejected);
    const instant t = sample_instant;
    struct row {
      dead_letter_filter filter;
      const char* found;
    };
    const row rows[] = {
        {{}, "a b c d e"},
        {{.name = "booking.created"}, "a b e"},
        {{.name = "booking"}, ""},
        {{.name = "booking.%"}, ""},
        {{.name = "Booking.created"}, ""},
        {{.name = ""}, ""},
        {{.ordering_key = "k1"}, "a c e"},
        {{.correlation_id = "corr-2"}, "b c"},
        {{.reason = reason::rejected}, "a d e"},
        {{.reason = reason::undecodable}, "b"},
        {{.reason = reason::max_attempts_exhausted}, "c"},
        {{.since = t + 2s}, "c d e"},
        {{.since = t + 2001ms}, "d e"},
        {{.until = t + 2s}, "a b"},
        {{.until = t + 2001ms}, "a b c"},
        {{.since = t + 1s, .until = t + 3s}, "b c"},
        {{.since = t + 1s, .until = t + 1s}, ""},
        {{.since = t + 3s, .until = t + 1s}, ""},
        {{.since = instant::min(), .until = instant::max()}, "a b c d e"},
        {{.name = "booking.created", .ordering_key = "k1"}, "a e"},
        {{.name = "payment.captured", .reason = reason::rejected}, "d"},
        {{.ordering_key = "k1", .correlation_id = "corr-1", .reason = reason::rejected, .since = t + 1s}, "e"},
        {{.name = "booking.created",
          .ordering_key = "k1",
          .correlation_id = "corr-1",
          .reason = reason::rejected,
          .since = t,
          .until = t + 1s},
         "a"},
    };
    for (const row& each : rows) {
      INFO("row " << &each - rows);
      CHECK(on.listed(each.filter) == each.found);
      CHECK(on.letters.redrive(each.filter, {.run = run_kind::dry}) ==
            on.store().dead_letters(each.filter, std::nullopt, 100).events.size());
    }
    CHECK(on.listed({.ordering_key = ""}) == "d");
  });

  test("dead letters, by pages of any size: each once and in order, and the filter holds on each", [] {
    bench on;
    std::string expected;
    for (int each = 0; each < 12; ++each) {  // three at each instant
      on.add_dead(named(fmt::format("{}", each), each % 4 == 3 ? "payment.captured" : "booking.created"));
      on.clock().advance(each % 3 == 2 ? 1ms : 0ms);
      expected += each % 4 == 3 ? "" : fmt::format("{}{}", expected.empty() ? "" : " ", each);
    }
    for (std::size_t limit = 1; limit <= 13; ++limit) {
      INFO("limit " << limit);
      std::string all;
      std::optional<dead_letter_cursor> after;
      do {
        const dead_letter_page page = on.letters.list({.name = "booking.created"}, after, limit);
        CHECK(page.events.size() <= limit);
        CHECK((page.events.size() == limit || !page.next));
        all += (all.empty() || page.events.empty() ? "" : " ") + ids_of(page);
        after = page.next;
      } while (after);
      CHECK(all == expected);
    }
  });

  test("dead letters, a page of none, of exactly all, and of an empty outbox", [] {
    bench on;
    CHECK(on.page(std::nullopt, 100).events.empty());
    CHECK_FALSE(on.page(std::nullopt, 100).next.has_value());
    on.add_dead("a", "b", "c", "d");
    CHECK(on.page(std::nullopt, 0).events.empty());
    CHECK_FALSE(on.page(std::nullopt, 0).next.has_value());
    CHECK_FALSE(on.page(std::nullopt, 5).next.has_value());
    CHECK_FALSE(on.page(std::nullopt, static_cast<std::size_t>(-1)).next.has_value());
    const dead_letter_page first = on.page(std::nullopt, 2);
    REQUIRE(first.next.has_value());
    CHECK((first.next->dead_since == sample_instant));
    const dead_letter_page second = on.page(first.next, 2);
    CHECK(ids_of(second) == "c d");
    CHECK(ids_of(on.page(first.next, 0)) == "");
    CHECK_FALSE(second.next.has_value());
    CHECK_FALSE(on.page(std::nullopt, 4).next.has_value());
  });

  test("dead letters, redriven, purged and dying between two pages: none twice, none missing", [] {
    bench on;
    on.add_dead("a", "b", "c", "d");
    on.clock().advance(1ms);
    on.add_dead("e", "f");
    const dead_letter_page first = on.page(std::nullopt, 2);
    CHECK(ids_of(first) == "a b");
    SECTION("redriven, the cursor's own among them") {
      CHECK(on.redrive_ids({"b", "c"}) == std::vector<bool>{true, true});
      CHECK(ids_of(on.page(first.next, 100)) == "d e f");
    }
    SECTION("purged, the cursor's own among them") {
      CHECK(on.purge({"b", "d", "f"}) == 3);
      CHECK(ids_of(on.page(first.next, 100)) == "c e");
    }
    SECTION("redriven and dead again, at the end") {
      on.redrive("a");
      on.redrive("c");
      on.clock().advance(1ms);
      on.bury_ready();
      CHECK(ids_of(on.page(first.next, 100)) == "d e f a c");
    }
    SECTION("appended and dead") {
      on.add_dead("g");
      CHECK(ids_of(on.page(first.next, 100)) == "c d e f g");
    }
  });

  test("dead letters, exported: each one line of JSON, whatever their texts", [] {
    using namespace std::string_view_literals;
    static constexpr auto hostile = "\"}\n{\"id\":\"x\r\x1b[2J\\ \0 \xff\xc0\xaf gr\xc3\xbc\xc3\x9f \xe2\x80\xa8"sv;
    static constexpr auto parsed =
        "\"}\n{\"id\":\"x\r\x1b[2J\\ \0 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd gr\xc3\xbc\xc3\x9f \xe2\x80\xa8"sv;
    bench on;
    // A payload is UTF-8 without NUL (`codec_of`), and a store may insist on it; what a handler throws is anything.
    constexpr bool keeps_text_only = requires { Fixture::keeps_text_only; };
    static constexpr auto text = "\"}\n{\"id\":\"x\r\x1b[2J\\ gr\xc3\xbc\xc3\x9f \xe2\x80\xa8"sv;
    const std::string kept{keeps_text_only ? text : hostile};
    const std::string read{keeps_text_only ? text : parsed};
    event_record record = with_key("a", kept);
    record.payload = kept;
    on.add(record, "b");
    auto claims = on.claim();
    on.settle_all(bench::told_bury(claims.at(0), bench::key_after::released, reason::rejected, std::string{hostile}),
                  bench::told_bury(claims.at(1)));
    std::vector<std::string> lines;
    const auto keep = [&](std::string_view line) { lines.emplace_back(line); };
    CHECK(on.letters.export_to(keep) == 2);
    REQUIRE(lines.size() == 2);
    for (const std::string& line : lines) {
      CHECK(line.find('\n') == line.size() - 1);
      CHECK(nlohmann::json::parse(line).is_object());
    }
    const auto first = nlohmann::json::parse(lines.front());
    CHECK(first.at("id") == "a");
    CHECK(first.at("payload") == read);
    CHECK(first.at("orderingKey") == read);
    std::string failure{parsed};
    if (keeps_text_only) {
      failure.replace(failure.find('\0'), 1, "\xef\xbf\xbd");
    }
    CHECK(first.at("failures").at(0).at("text") == failure);
    CHECK(nlohmann::json::parse(lines.back()).at("failures").empty());
    CHECK(on.letters.export_to(keep, {.reason = reason::rejected}) == 1);
    CHECK(lines.at(2) == lines.at(0));
    CHECK(on.listed() == "a b");
  });
}

template <store_fixture Fixture, std::size_t Many>
void register_redrive_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = dead_letter_bench<Fixture>;
  using answers = std::vector<bool>;

  test("redrive, an event that has not been attempted: due at its instant, with its failures and token", [] {
    bench on;
    on.add("a");
    on.fail_until_dead({"busy", "still busy"});
    const std::uint64_t token = on.store().find("a")->token;
    on.add("b");  // its claim raises the store's token
    on.claim();
    on.clock().advance(1s);
    const std::uint64_t hints = on.hints();
    CHECK(on.redrive("a", 5s));
    CHECK(on.hints() > hints);
    CHECK(on.seen("a") == "ready 0 due 6000, 1@0 busy, 2@0 still busy");
    CHECK(on.store().find("a")->token == token);
    CHECK_FALSE(on.store().find("a")->holds_key);
    CHECK(on.listed() == "");
    on.clock().advance(4999ms);
    CHECK(on.claim().empty());
    on.clock().advance(1ms);
    const claimed_event again = on.claim_one();
    CHECK(text_of(again) == "a #1");
    CHECK(again.held.token > token + 1);
    CHECK(again.failures == 2);
  });

  test("redrive, fails again: a dead letter again, with its whole history, as often as one likes", [] {
    bench on;
    on.add("a");
    on.fail_until_dead({"one", "two"});
    std::uint64_t token = on.store().find("a")->token;
    std::string history = ", 1@0 one, 2@0 two";
    for (int round = 1; round <= 3; ++round) {
      on.clock().advance(1s);
      CHECK(on.redrive("a"));
      CHECK(on.store().find("a")->token == token);
      on.fail_until_dead({"three", "four"});
      history += fmt::format(", 1@{0}000 three, 2@{0}000 four", round);
      CHECK(on.seen("a") ==
            fmt::format("dead-letter 2 due {0}000 max-attempts-exhausted at {0}000{1}", round, history));
      CHECK(on.store().find("a")->token > token);
      token = on.store().find("a")->token;
    }
    CHECK(on.listed() == "a");
  });

  test("redrive, as many failures kept as of any event: the last ones", [] {
    bench on{3};
    on.add("a");
    on.fail_until_dead({"one", "two"});
    on.redrive("a");
    on.fail_until_dead({"three", "four"});
    CHECK(on.seen("a") == "dead-letter 2 max-attempts-exhausted at 0, 2@0 two, 1@0 three, 2@0 four");
  });

  test("redrive, what is no dead letter: false, and as it was", [] {
    bench on;
    on.add_one_in_each_state();
    const std::vector<std::string> others{"ready", "scheduled", "leased", "orphan", "blocked"};
    std::vector<std::string> before;
    for (const std::string& each : others) {
      before.push_back(on.seen(each));
    }
    CHECK(on.redrive_ids(others) == answers(others.size(), false));
    CHECK(on.redrive_ids({"unknown", "dead", "", "dead"}) == answers{false, true, false, false});
    CHECK_FALSE(on.redrive("dead"));
    CHECK_FALSE(on.letters.redrive("unknown"));
    CHECK(on.redrive_ids({}).empty());
    for (std::size_t each = 0; each < others.size(); ++each) {
      CHECK(on.seen(others[each]) == before[each]);
    }
  });

  test("redrive and purge, only the death that was looked at, where it is told", [] {
    bench on;
    on.add(with_key("a", "key"), with_key("b", "key"));
    on.bury_ready(bench::key_after::held);
    on.clock().advance(1s);
    on.redrive("a");
    on.bury_ready(bench::key_after::held);
    on.add("never dead");
    const std::string before = on.seen("a");
    REQUIRE(before.find("at 1000 holding") != std::string::npos);
    for (const std::chrono::milliseconds since : {0ms, 999ms, 1001ms}) {
      INFO(since.count());
      const instant then = sample_instant + since;
      CHECK(on.store().redrive(std::vector<redrive_request>{{"a", on.now(), then}}) == answers{false});
      CHECK(on.store().purge(std::vector<purge_request>{{"a", then}, {"never dead", then}, {"unknown", then}}) == 0);
    }
    CHECK(on.seen("a") == before);
    CHECK(on.seen("b") == "blocked 0");
    SECTION("redriven") {
      CHECK(on.store().redrive(std::vector<redrive_request>{{"a", on.now(), on.now()}}) == answers{true});
      CHECK(on.ids_claimed() == "a never dead");
    }
    SECTION("purged") {
      CHECK(on.store().purge(std::vector<purge_request>{{"a", on.now()}}) == 1);
      CHECK(on.ids_claimed() == "b never dead");
    }
  });

  test("redrive, through the facade: due now", [] {
    bench on;
    on.add_dead("a");
    on.clock().advance(7s);
    CHECK(on.letters.redrive("a"));
    CHECK(on.seen("a") == "ready 0 due 7000");
    CHECK_FALSE(on.letters.redrive("a"));
  });

  test("redrive, whose last attempt was a crash: an ordinary event, neither isolated nor crashed", [] {
    bench on;
    on.orphan("a");
    on.clock().advance(bench::lease_length);
    const claimed_event crashed = on.claim_orphan();
    REQUIRE(crashed.crashed);
    on.settle(bench::told_bury(crashed));
    on.redrive("a");
    CHECK_FALSE(on.look(0).orphans_waiting);
    const claimed_event again = on.claim_one();
    CHECK(text_of(again) == "a #1");
    CHECK(on.settle(bench::told_end(crashed)) == settle_status::stale);
    CHECK(on.release(again.held) == 1);
    CHECK(on.seen("a").starts_with("ready 0"));
  });

  test("redrive, keyed: back in its place before the later ones of its key", [] {
    bench on;
    on.add(with_key("a", "key"), with_key("b", "key"), with_key("c", "key"));
    SECTION("whose key was released") {
      on.settle(bench::told_bury(on.claim_one()));
      CHECK(on.redrive("a"));
      CHECK(on.ids_claimed() == "a");
    }
    SECTION("whose key was held") {
      on.settle(bench::told_bury(on.claim_one(), bench::key_after::held));
      CHECK(on.ids_claimed() == "");
      CHECK(on.redrive("a", 5s));
      CHECK(on.ids_claimed() == "");
      on.clock().advance(5s);
      CHECK(on.ids_claimed() == "a");
    }
    SECTION("while the next one runs") {
      on.settle(bench::told_bury(on.claim_one()));
      const claimed_event next = on.claim_one();
      CHECK(on.redrive("a"));
      CHECK(on.seen("a") == "blocked 0");
      CHECK(on.ids_claimed() == "");
      on.settle(bench::told_end(next));
      CHECK(on.ids_claimed() == "a");
    }
  });

  test("redrive by filter, many at a rate: none lost, each due so much after the one before, no second overrun", [] {
    constexpr std::size_t rate = Many / 10;
    bench on;
    on.add_many_dead(Many);
    on.clock().advance(1min);
    const instant start = on.now();
    REQUIRE(on.letters.redrive({}, {.per_second = static_cast<std::uint32_t>(rate)}) == Many);
    CHECK(on.listed() == "");
    std::size_t misplaced = 0;
    instant last = start;
    for (std::size_t each = 0; each < Many; ++each) {
      last = on.store().find(fmt::format("{}", each))->available_at;
      misplaced += last == start + std::chrono::milliseconds{each * 1000 / rate} ? 0 : 1;
    }
    CHECK(misplaced == 0);
    CHECK((last == start + 10s - std::chrono::milliseconds{1000 / rate}));
    on.clock().advance(999ms);
    for (int second = 0; second < 10; ++second) {
      CHECK(on.claim(2 * rate).size() == rate);
      on.clock().advance(1s);
    }
    CHECK(counts_of(on.store().metrics()) ==
          fmt::format("0 ready, 0 scheduled, {} leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag -", Many));
  });

  test("redrive by filter, rates that do not divide a second: spread to the millisecond", [] {
    struct row {
      std::optional<std::uint32_t> rate;
      std::vector<std::int64_t> due;
    };
    const row rows[] = {
        {3, {0, 333, 666, 1000, 1333}},   {1, {0, 1000, 2000, 3000, 4000}}, {2000, {0, 0, 1, 1, 2}},
        {4'294'967'295, {0, 0, 0, 0, 0}}, {std::nullopt, {0, 0, 0, 0, 0}},
    };
    for (const row& each : rows) {
      bench on;
      on.add_many_dead(each.due.size());
      CHECK(on.letters.redrive({}, {.per_second = each.rate}) == each.due.size());
      for (std::size_t event = 0; event < each.due.size(); ++event) {
        CHECK(since_start(on.store().find(fmt::format("{}", event))->available_at) == each.due[event]);
      }
    }
  });

  test("redrive by filter, only those of the filter, the oldest first and at most so many; a dry run changes nothing",
       [] {
         bench on;
         on.add_dead(named("a", "x"));
         on.clock().advance(1ms);
         on.add_dead(named("b", "y"), named("c", "x"), named("d", "x"));
         const dead_letter_filter x{.name = "x"};
         CHECK(on.letters.redrive(x, {.run = run_kind::dry}) == 3);
         CHECK(on.letters.redrive(x, {.at_most = 2, .run = run_kind::dry}) == 2);
         CHECK(on.letters.redrive(x, {.at_most = 0}) == 0);
         CHECK(on.listed() == "a b c d");
         CHECK(on.letters.redrive(x, {.at_most = 2}) == 2);
         CHECK(on.listed() == "b d");
         CHECK(on.letters.redrive(x, {.at_most = 2}) == 1);
         CHECK(on.letters.redrive(x) == 0);
         CHECK(on.letters.redrive({.until = sample_instant}) == 0);
         CHECK(on.listed() == "b");
         CHECK(on.ids_claimed() == "a c d");
       });

  test("purge, dead letters only, and with them all that was kept of them", [] {
    bench on;
    on.add_one_in_each_state();
    CHECK(on.purge({"ready", "scheduled", "leased", "orphan", "blocked", "unknown", ""}) == 0);
    CHECK(on.counts() == "1 ready, 1 scheduled, 1 leased, 1 orphans, 1 blocked, 1 dead, 0 held, lag 0");
    CHECK(on.purge({}) == 0);
    CHECK(on.purge({"dead", "unknown", "dead"}) == 1);
    CHECK(on.purge({"dead"}) == 0);
    CHECK(on.seen("dead") == "gone");
    CHECK_FALSE(on.redrive("dead"));
    CHECK(on.counts() == "1 ready, 1 scheduled, 1 leased, 1 orphans, 1 blocked, 0 dead, 0 held, lag 0");
  });

  test("purge, its id free again, for an event without a history", [] {
    bench on;
    on.add("a");
    on.fail_until_dead({"busy", "still busy"});
    CHECK(on.purge({"a"}) == 1);
    CHECK(on.add("a") == std::vector{append_status::appended});
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.claim_one().failures == 0);
  });

  test("purge, a key that it held is free", [] {
    bench on;
    on.add(with_key("a", "key"), with_key("b", "key"));
    on.settle(bench::told_bury(on.claim_one(), bench::key_after::held));
    CHECK(on.ids_claimed() == "");
    const std::uint64_t hints = on.hints();
    CHECK(on.purge({"a"}) == 1);
    CHECK(on.hints() > hints);
    CHECK(on.ids_claimed() == "b");
  });

  test("purge by filter, by age and more pages than one; a dry run changes nothing", [] {
    bench on;
    on.add_many_dead(250);
    on.clock().advance(1s);
    on.add_dead(named("x", "x"), "y", "z");
    const dead_letter_filter aged{.until = sample_instant + 1s};
    CHECK(on.letters.purge(aged, run_kind::dry) == 250);
    CHECK(on.store().metrics().dead_letters == 253);
    CHECK(on.letters.purge(aged) == 250);
    CHECK(on.letters.purge(aged) == 0);
    CHECK(on.listed() == "x y z");
    CHECK(on.letters.purge({.name = "x"}) == 1);
    CHECK(on.letters.purge({}) == 2);
    CHECK(on.listed() == "");
  });
}

template <store_fixture Fixture>
void register_metrics_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = dead_letter_bench<Fixture>;

  test("metrics, of an empty outbox: nothing, now", [] {
    bench on;
    on.clock().advance(3s);
    CHECK((on.store().metrics() == queue_metrics{.at = sample_instant + 3s}));
  });

  test("metrics, each state counted", [] {
    bench on;
    on.add_one_in_each_state();
    CHECK(on.counts() == "1 ready, 1 scheduled, 1 leased, 1 orphans, 1 blocked, 1 dead, 0 held, lag 0");
    CHECK(on.store().metrics().depth() == 5);
  });

  test("metrics, numbers that differ: each its own", [] {
    bench on;
    on.add("d1", "d2", "d3", "d4", "d5", "d6");
    on.bury_ready();
    on.add("s1", "s2", "s3", "s4");
    on.claim();
    on.clock().advance(bench::lease_length);
    on.look();
    on.add(with_key("l1", "k"), "l2", "l3", with_key("b1", "k"), with_key("b2", "k"), with_key("b3", "k"),
           with_key("b4", "k"), with_key("b5", "k"));
    on.claim();
    const instant later = on.now() + 1ms;
    on.add(due_at("w1", later), due_at("w2", later), "r1");
    CHECK(on.counts() == "1 ready, 2 scheduled, 3 leased, 4 orphans, 5 blocked, 6 dead, 0 held, lag 0");
    CHECK(on.store().metrics().depth() == 15);
  });

  test("metrics, the lag of the oldest ready event; scheduled until its very instant", [] {
    bench on;
    on.add("new", due_at("old", sample_instant - 2s), due_at("waits", sample_instant + 5s));
    CHECK(on.counts() == "2 ready, 1 scheduled, 0 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag 2000");
    on.clock().advance(4999ms);
    CHECK(on.counts() == "2 ready, 1 scheduled, 0 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag 6999");
    on.clock().advance(1ms);
    CHECK(on.counts() == "3 ready, 0 scheduled, 0 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag 7000");
    on.claim(1);
    CHECK(on.counts() == "2 ready, 0 scheduled, 1 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag 5000");
    on.claim(1);
    CHECK(on.counts() == "1 ready, 0 scheduled, 2 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag 0");
    on.claim(1);
    CHECK(on.counts() == "0 ready, 0 scheduled, 3 leased, 0 orphans, 0 blocked, 0 dead, 0 held, lag -");
  });

  test("metrics, no lag of what is scheduled, blocked or dead; of a retry from its instant on", [] {
    bench on;
    on.add(with_key("a", "key"), with_key("b", "key"));
    const claimed_event first = on.claim_one();
    on.clock().advance(10s);
    CHECK_FALSE(on.store().metrics().oldest_lag.has_value());
    on.settle(bench::told_retry(first, 3s));
    CHECK(on.counts() == "0 ready, 1 scheduled, 0 leased, 0 orphans, 1 blocked, 0 dead, 0 held, lag -");
    on.clock().advance(4s);
    CHECK(on.counts() == "1 ready, 0 scheduled, 0 leased, 0 orphans, 1 blocked, 0 dead, 0 held, lag 1000");
  });

  test("metrics, keys that dead letters hold, until they are redriven or purged", [] {
    bench on;
    on.add(with_key("a", "one"), with_key("b", "two"), with_key("b2", "two"), "keyless");
    on.bury_ready(bench::key_after::held);
    on.add(with_key("c", "three"));
    on.bury_ready(bench::key_after::released);
    CHECK(on.counts() == "0 ready, 0 scheduled, 0 leased, 0 orphans, 1 blocked, 4 dead, 2 held, lag -");
    on.redrive("b");
    CHECK(on.counts() == "1 ready, 0 scheduled, 0 leased, 0 orphans, 1 blocked, 3 dead, 1 held, lag 0");
    on.purge({"a"});
    CHECK(on.counts() == "1 ready, 0 scheduled, 0 leased, 0 orphans, 1 blocked, 2 dead, 0 held, lag 0");
  });

  test("metrics, outcomes by name, added up over retries and redrives", [] {
    bench on;
    on.add(named("p", "payment.captured"), named("b", "booking.created"));
    CHECK(on.outcomes() == "");
    auto claims = on.claim();
    on.settle_all(bench::told_retry(claims.at(0)), bench::told_retry(claims.at(1), 0ms, "busy"));
    CHECK(on.outcomes() ==
          "booking.created: 1 attempts, 0 processed, 1 retried, 0 dead; "
          "payment.captured: 1 attempts, 0 processed, 1 retried, 0 dead");
    claims = on.claim();
    on.settle_all(bench::told_end(claims.at(0)), bench::told_bury(claims.at(1)));
    on.redrive("b");
    on.settle(bench::told_end(on.claim_one()));
    on.add("b2", "b3");
    claims = on.claim();
    on.settle_all(bench::told_bury(claims.at(0)), bench::told_end(claims.at(1)));
    on.purge({"b2"});
    CHECK(on.outcomes() ==
          "booking.created: 5 attempts, 2 processed, 1 retried, 2 dead; "
          "payment.captured: 2 attempts, 1 processed, 1 retried, 0 dead");
  });

  test("metrics, no outcome of what is stale, released, expired or whose write failed", [] {
    bench on;
    on.add("a", "b", "c");
    auto claims = on.claim();
    on.release(claims.at(0).held);
    CHECK(on.settle(bench::told_end(claims.at(0))) == settle_status::stale);
    CHECK(on.settle(bench::told(bench::end_failing(claims.at(1)), claims.at(1))) == settle_status::write_failed);
    CHECK(on.outcomes() == "");
    on.settle_all(bench::told(bench::end_failing(claims.at(1)), claims.at(1)), bench::told_bury(claims.at(0)),
                  bench::told(bench::end_writing(claims.at(2), "text"), claims.at(2)));
    CHECK(on.outcomes() == "booking.created: 1 attempts, 1 processed, 0 retried, 0 dead");
    on.clock().advance(bench::lease_length);
    on.claim_orphan();
    on.clock().advance(bench::lease_length);
    on.claim_orphan();
    CHECK(on.outcomes() == "booking.created: 1 attempts, 1 processed, 0 retried, 0 dead");
  });
}

/// Registers the whole suite; returns true, for a static's sake. `Many`, a multiple of 10, is how many dead letters
/// are redriven at a tenth of them a second.
template <store_fixture Fixture, std::size_t Many>
requires event_relay::dead_letter_store<typename Fixture::store_type> &&
    event_relay::metrics_store<typename Fixture::store_type>
bool register_dead_letter_contract(std::string unit) {
  const contract_registrar test{std::move(unit)};
  register_list_contract<Fixture>(test);
  register_redrive_contract<Fixture, Many>(test);
  register_metrics_contract<Fixture>(test);
  return true;
}

}  // namespace event_relay_test
