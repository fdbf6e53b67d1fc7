// SPDX-License-Identifier: MIT
// The contract of ordering keys for every dead_letter_store: one event of a key at a time, in the order of append,
// through retries, dead letters and redrive; and random histories, judged from a log of what was run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace event_relay_test {

// ---- The model ----

/// What has become of an event, in the order in which it came to be.
struct ordering_step {
  enum kind {
    appended,
    claimed,
    freed,     ///< by a retry, or released
    orphaned,  ///< its lease is over
    processed,
    released,  ///< a dead letter
    held,      ///< a dead letter that holds its key
    redriven,
    purged,
  };
  kind what;
  std::string id;
  std::string key;
};

/// What is wrong with a log: events of one key that run at a time, or not in their order.
inline std::vector<std::string> ordering_faults(const std::vector<ordering_step>& log) {
  struct event {
    std::string id;
    ordering_step::kind last = ordering_step::appended;
    bool was_redriven = false;

    bool waits() const {
      return last == ordering_step::appended || last == ordering_step::freed || last == ordering_step::redriven;
    }
  };
  std::map<std::string, std::vector<event>> keys;  // each key's in the order of their append
  std::vector<std::string> faults;
  const auto judge_claim = [&](const std::vector<event>& events, const event& claimed) {
    for (const event& other : events) {
      const bool is_earlier = &other < &claimed;
      if (&other == &claimed) {
        continue;
      }
      if (other.last == ordering_step::claimed) {
        faults.push_back(fmt::format("{} claimed while {} is leased", claimed.id, other.id));
      } else if (other.last == ordering_step::orphaned || other.last == ordering_step::held) {
        faults.push_back(fmt::format("{} claimed, but {} is the head", claimed.id, other.id));
      } else if (is_earlier && other.waits() && claimed.last != ordering_step::orphaned) {
        faults.push_back(fmt::format("{} claimed before {}", claimed.id, other.id));
      }
    }
  };
  const auto judge_end = [&](const std::vector<event>& events, const event& ended) {
    for (const event& other : events) {
      const bool has_not_ended = other.waits() || other.last == ordering_step::orphaned;
      if (&other < &ended && has_not_ended && !other.was_redriven && !ended.was_redriven) {
        faults.push_back(fmt::format("{} ended before {}", ended.id, other.id));
      }
    }
  };
  for (const ordering_step& step : log) {
    if (step.key.empty()) {
      continue;
    }
    std::vector<event>& events = keys[step.key];
    if (step.what == ordering_step::appended) {
      events.push_back({step.id});
      continue;
    }
    event& its = *std::find_if(events.begin(), events.end(), [&](const event& each) { return each.id == step.id; });
    if (step.what == ordering_step::claimed) {
      judge_claim(events, its);
    }
    its.last = step.what;
    its.was_redriven = its.was_redriven || step.what == ordering_step::redriven;
    if (step.what == ordering_step::processed || step.what == ordering_step::released ||
        step.what == ordering_step::held) {
      judge_end(events, its);
    }
  }
  return faults;
}

/// One random history of keyed and other events, the same for the same seed, on a fresh store. It keeps the log.
template <store_fixture Fixture>
class ordering_history {
  using bench = store_bench<Fixture>;
  using settlement = typename bench::settlement;
  using milliseconds = std::chrono::milliseconds;

 public:
  explicit ordering_history(std::uint32_t seed) : draw_{seed} {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      const std::size_t kind = below(12);
      INFO("step " << step << ", kind " << kind);
      switch (kind) {
        case 0:
        case 1:
        case 2: append_some(); break;
        case 3:
        case 4:
        case 5:
        case 6: exchange(); break;
        case 7: release_one(); break;
        case 8: renew_some(); break;
        case 9: redrive_some(); break;
        case 10: purge_one(); break;
        default: on_.clock().advance(milliseconds{below(20'000)});
      }
      check_states();
    }
    check_that_all_can_end();
    CHECK(ordering_faults(log_) == std::vector<std::string>{});
  }

 private:
  std::size_t below(std::size_t bound) { return draw_() % bound; }
  bool one_in(std::size_t count) { return below(count) == 0; }
  void note(ordering_step::kind what, const std::string& id) { log_.push_back({what, id, keys_.at(id)}); }

  void append_some() {
    std::vector<event_relay::event_record> records(1 + below(3));
    for (event_relay::event_record& each : records) {
      const std::size_t key = below(4);  // the last one is none
      each = keyed(fmt::format("evt-{}", ++appended_), key == 3 ? "" : fmt::format("key-{}", key));
      if (one_in(4)) {
        each.available_at = on_.clock().now() + milliseconds{below(10'000)};
      }
    }
    if (one_in(5)) {
      records.push_back(records.front());  // a duplicate
    }
    on_.begin();
    const auto answers = on_.append_all(records);
    if (one_in(4)) {
      on_.rollback();
      return;
    }
    on_.commit();
    for (std::size_t at = 0; at < records.size(); ++at) {
      if (answers[at] == event_relay::append_status::appended) {
        keys_[records[at].id] = records[at].ordering_key;
        note(ordering_step::appended, records[at].id);
      }
    }
  }

  // Ends some attempts, most of them under their lease, and claims some.
  void exchange() {
    std::vector<settlement> settlements;
    std::vector<event_relay::claimed_event> claims;
    for (const auto& [id, claim] : leased_) {
      if (one_in(2)) {
        settlements.push_back(some_end(claim));
        claims.push_back(claim);
      }
    }
    if (!lost_.empty() && one_in(2)) {
      settlements.push_back(some_end(lost_[below(lost_.size())]));
    }
    const event_relay::claim_request request{
        below(4), milliseconds{1 + below(20'000)},
        one_in(3) ? event_relay::claim_kind::orphan : event_relay::claim_kind::ordinary};
    const event_relay::exchange_result result = on_.store().exchange(settlements, request);
    for (std::size_t at = 0; at < settlements.size(); ++at) {
      if (at < claims.size()) {
        CHECK(result.settled[at].status == event_relay::settle_status::applied);
        ended(claims[at], settlements[at]);
      } else {
        CHECK(result.settled[at].status == event_relay::settle_status::stale);
      }
    }
    claimed(result, request);
  }

  settlement some_end(const event_relay::claimed_event& claim) {
    switch (below(5)) {
      case 0: return bench::bury(claim);
      case 1: return bench::bury_holding(claim);
      case 2: return bench::retry(claim, milliseconds{below(10'000)});
      default: return bench::end(claim);
    }
  }

  void ended(const event_relay::claimed_event& claim, const settlement& by) {
    const std::string& id = claim.record.id;
    leased_.erase(id);
    if (by.status == event_relay::attempt_status::retry_scheduled) {
      note(ordering_step::freed, id);
    } else if (by.status == event_relay::attempt_status::processed) {
      note(ordering_step::processed, id);
      gone_.insert(id);
    } else {
      note(by.key == event_relay::key_after_dead_letter::held ? ordering_step::held : ordering_step::released, id);
      dead_.insert(id);
    }
  }

  void claimed(const event_relay::exchange_result& result, const event_relay::claim_request& request) {
    if (request.limit == 0) {
      return;
    }
    for (auto at = leased_.begin(); at != leased_.end();) {
      if (until_.at(at->first) > on_.clock().now()) {
        ++at;
        continue;
      }
      note(ordering_step::orphaned, at->first);
      lost_.push_back(at->second);
      at = leased_.erase(at);
    }
    for (const event_relay::claimed_event& each : result.claimed) {
      const std::string& id = each.record.id;
      note(ordering_step::claimed, id);
      CHECK(each.held.token > std::exchange(tokens_[id], each.held.token));
      until_[id] = on_.clock().now() + request.length;
      leased_[id] = each;
    }
  }

  void release_one() {
    if (!leased_.empty()) {
      const auto at = std::next(leased_.begin(), static_cast<std::ptrdiff_t>(below(leased_.size())));
      CHECK(on_.release(at->second.held) == 1);
      note(at->second.isolated ? ordering_step::orphaned : ordering_step::freed, at->first);
      leased_.erase(at);
    }
  }

  void renew_some() {
    for (const auto& [id, claim] : leased_) {
      CHECK(on_.renew(claim.held, milliseconds{5'000}));
      until_[id] = on_.clock().now() + milliseconds{5'000};
    }
    if (!lost_.empty()) {
      CHECK_FALSE(on_.renew(lost_[below(lost_.size())].held));
    }
  }

  void redrive(const std::string& id) {
    const std::uint64_t token = on_.store().find(id)->token;
    CHECK(on_.redrive(id) == std::vector<bool>{true});
    CHECK(on_.store().find(id)->token == token);
    note(ordering_step::redriven, id);
    dead_.erase(id);
  }
  void redrive_some() {
    for (const std::string& id : std::set<std::string>{dead_}) {
      if (one_in(2)) {
        redrive(id);
      }
    }
  }

  void purge_one() {
    if (!dead_.empty()) {
      const std::string id = *dead_.begin();
      CHECK(on_.purge(id) == 1);
      note(ordering_step::purged, id);
      dead_.erase(id);
      gone_.insert(id);
    }
  }

  // Of each key with events that have not ended there is one head, and no other is free to be claimed.
  void check_states() {
    using event_relay::event_state;
    std::map<std::string, int> heads;
    std::set<std::string> unfinished;
    for (const auto& [id, key] : keys_) {
      const auto found = on_.store().find(id);
      CHECK(found.has_value() == !gone_.contains(id));
      if (!found || key.empty()) {
        CHECK((!found || found->state != event_state::blocked));
        continue;
      }
      const bool is_dead = found->state == event_state::dead_letter;
      heads[key] += (is_dead ? found->holds_key : found->state != event_state::blocked) ? 1 : 0;
      if (!is_dead) {
        unfinished.insert(key);
      }
    }
    for (const auto& [key, count] : heads) {
      INFO(key);
      CHECK(count <= 1);
      CHECK((count == 1 || !unfinished.contains(key)));
    }
  }

  // Without a sweep: what is dead is redriven, once, and everything is processed.
  void check_that_all_can_end() {
    for (const std::string& id : std::set<std::string>{dead_}) {
      redrive(id);
    }
    for (int round = 0; round < 2 * appended_ + 2; ++round) {
      std::vector<settlement> settlements;
      std::vector<event_relay::claimed_event> claims;
      for (const auto& [id, claim] : leased_) {
        settlements.push_back(bench::end(claim));
        claims.push_back(claim);
      }
      on_.clock().advance(milliseconds{10'000});
      const event_relay::claim_request request{
          100, milliseconds{60'000},
          round % 2 == 0 ? event_relay::claim_kind::orphan : event_relay::claim_kind::ordinary};
      const auto result = on_.store().exchange(settlements, request);
      for (std::size_t at = 0; at < claims.size(); ++at) {
        ended(claims[at], settlements[at]);
      }
      claimed(result, request);
    }
    CHECK_FALSE(on_.store().has_unfinished());
    for (const auto& [id, key] : keys_) {
      INFO(id);
      CHECK(on_.seen(id) == "gone");
    }
  }

  std::mt19937 draw_;
  bench on_;
  std::vector<ordering_step> log_;
  std::map<std::string, std::string> keys_;                   // of all events there ever were
  std::map<std::string, event_relay::claimed_event> leased_;  // under a lease that nobody has seen expire
  std::map<std::string, event_relay::instant> until_;
  std::map<std::string, std::uint64_t> tokens_;
  std::vector<event_relay::claimed_event> lost_;
  std::set<std::string> dead_;
  std::set<std::string> gone_;
  int appended_ = 0;
};

// ---- The suite ----

/// A bench with the events a, b and c of one key.
template <class Fixture>
struct keyed_bench : store_bench<Fixture> {
  using base = store_bench<Fixture>;
  using texts = std::vector<std::string>;

  keyed_bench() { this->add(keyed("a"), keyed("b"), keyed("c")); }

  texts claimed() { return texts_of(this->claim()); }
  void end_one() { CHECK(this->settle(base::end(this->claim_one())) == event_relay::settle_status::applied); }
  void bury_one() { CHECK(this->settle(base::bury(this->claim_one())) == event_relay::settle_status::applied); }
  void bury_one_holding() {
    CHECK(this->settle(base::bury_holding(this->claim_one())) == event_relay::settle_status::applied);
  }
  /// The ids of all that can be claimed, in the order in which they end, each at its next attempt.
  std::string ends() {
    std::string ids;
    for (;;) {
      auto next = this->claim();
      if (next.empty()) {
        next = this->claim_orphans();
      }
      if (next.empty()) {
        return ids;
      }
      for (const event_relay::claimed_event& each : next) {
        ids += each.record.id;
        CHECK(this->settle(base::end(each)) == event_relay::settle_status::applied);
      }
    }
  }
};

template <store_fixture Fixture>
void register_head_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = keyed_bench<Fixture>;
  using texts = std::vector<std::string>;

  test("key, its first event is claimed, and the next when that is processed", [] {
    bench on;
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.seen("c") == "blocked 0");
    for (const char* const next : {"a #1", "b #1", "c #1"}) {
      const auto claimed = on.claim_one();
      CHECK(text_of(claimed) == next);
      CHECK(claimed.record.ordering_key == "k");
      CHECK(on.claim().empty());
      on.settle(bench::end(claimed));
    }
    CHECK_FALSE(on.store().has_unfinished());
  });

  test("key, the next is claimed in the turn that ends the one before it", [] {
    bench on;
    const std::vector ended{bench::end(on.claim_one())};
    CHECK(texts_of(on.store().exchange(ended, {10, 30s}).claimed) == texts{"b #1"});
  });

  test("key, its next event is free, or will be, after a turn that claims nothing: somebody is woken", [] {
    bench on;
    on.add("plain");
    auto claims = on.claim();
    std::uint64_t before = on.hints();
    on.settle(on.end(claims.at(1)));
    CHECK(on.hints() == before);
    on.settle(on.end(claims.at(0)));
    CHECK(on.hints() > before);
    before = on.hints();
    on.settle(on.retry(on.claim_one(), 5s));
    CHECK(on.hints() > before);
  });

  test("key, others and events without one do not wait for it", [] {
    bench on;
    on.add(keyed("d", "K"), "e", "f", keyed("g", "K"), keyed("h", "k "));
    CHECK(on.claimed() == texts{"a #1", "d #1", "e #1", "f #1", "h #1"});
    CHECK(on.claim().empty());
  });

  test("key, its events of several transactions in the order of append, and of a batch as well", [] {
    bench on;
    on.add(keyed("e"), keyed("d"));
    on.begin();
    on.append(keyed("f"));
    on.append(keyed("g"));
    on.commit();
    CHECK(on.ends() == "abcedfg");
  });

  test("key, a retry keeps the others waiting through its backoff", [] {
    bench on;
    on.settle(bench::retry(on.claim_one(), 10s, "busy"));
    on.add("u");
    CHECK(on.claimed() == texts{"u #1"});
    CHECK(on.seen("b") == "blocked 0");
    on.clock().advance(10s);
    CHECK(on.claimed() == texts{"a #2"});
    CHECK(on.claim().empty());
  });

  test("key, an attempt that is released or whose write fails keeps the others waiting", [] {
    bench on;
    on.release(on.claim_one().held);
    CHECK(on.seen("b") == "blocked 0");
    const auto claimed = on.claim_one();
    CHECK(text_of(claimed) == "a #1");
    CHECK(on.settle(bench::end_failing(claimed)) == settle_status::write_failed);
    CHECK(on.claim().empty());
    CHECK(on.seen("b") == "blocked 0");
    on.settle(bench::end_writing(claimed, "a"));
    CHECK(on.claimed() == texts{"b #1"});
  });

  test("key, an expired lease: its orphan and its isolated attempts keep the others waiting", [] {
    bench on;
    const auto lost = on.claim_one();
    on.clock().advance(30s);
    CHECK(on.claim().empty());
    const auto isolated = on.claim_orphan();
    CHECK(text_of(isolated) == "a #1 isolated");
    CHECK(on.claim().empty());
    on.clock().advance(30s);
    CHECK(on.claim().empty());
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.settle(bench::end(lost)) == settle_status::stale);
    CHECK(on.settle(bench::end(isolated)) == settle_status::stale);
    CHECK(on.seen("b") == "blocked 0");
    on.settle(bench::end(on.claim_orphan()));
    CHECK(on.claimed() == texts{"b #1"});
  });

  test("key, an isolated attempt that is released or retried keeps the others waiting", [] {
    bench on;
    on.claim_one();
    on.clock().advance(30s);
    on.release(on.claim_orphan().held);
    CHECK(on.claim().empty());
    on.settle(bench::retry(on.claim_orphan(), 5s));
    CHECK(on.claim().empty());
    on.clock().advance(5s);
    CHECK(on.claimed() == texts{"a #2"});
  });

  test("key, a head that is due later keeps the others waiting, though they are due", [] {
    bench on;
    event_record later = keyed("d", "later");
    later.available_at = sample_instant + 10s;
    on.add(later, keyed("e", "later"));
    CHECK(on.claimed() == texts{"a #1"});
    CHECK(on.seen("e") == "blocked 0");
    CHECK((on.look().next_due == sample_instant + 10s));
    on.clock().advance(10s);
    on.settle(bench::end(on.claim_one()));
    CHECK(on.claimed() == texts{"e #1"});
  });

  test("key, a next event that is due later, not claimed before", [] {
    bench on;
    event_record later = keyed("e", "other");
    later.available_at = sample_instant + 10s;
    on.add(keyed("d", "other"), later);
    const auto claims = on.claim();
    on.settle(bench::end(claims.at(1)));
    CHECK(on.claim().empty());
    CHECK(on.seen("e") == "ready 0 due 10000");
  });

  test("key, when nothing is left of it, the next append is its head", [] {
    bench on;
    CHECK(on.ends() == "abc");
    on.add(keyed("d"), keyed("e"));
    CHECK(on.ends() == "de");
  });

  test("key, an append that is rolled back leaves no gap and no head", [] {
    bench on;
    on.begin();
    on.append(keyed("d"), keyed("x", "other"));
    on.rollback();
    on.add(keyed("e"), keyed("y", "other"));
    CHECK(on.seen("y") == "ready 0");
    CHECK(on.ends() == "aybce");
  });

  test("key, a duplicate keeps the first one's place and key", [] {
    bench on;
    CHECK(on.add(keyed("c", "other"), keyed("a"), keyed("d")) ==
          std::vector{append_status::duplicate, append_status::duplicate, append_status::appended});
    CHECK(on.store().find("c")->record.ordering_key == "k");
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.ends() == "abcd");
  });

  test("key, follow-ups come behind what waits, and after what they follow from", [] {
    bench on;
    on.settle(bench::end_with(on.claim_one(), {keyed("d"), record_of("u"), keyed("x", "fresh"), keyed("y", "fresh")}));
    CHECK(on.seen("d") == "blocked 0");
    CHECK(on.seen("y") == "blocked 0");
    CHECK(on.ends() == "buxcyd");
  });

  test("key, two ends of one batch in one exchange, both keys go on", [] {
    bench on;
    on.add(keyed("x", "other"), keyed("y", "other"));
    const auto claims = on.claim();
    on.settle_all(bench::end(claims.at(0)), bench::bury(claims.at(1)), bench::end(claims.at(0)));
    CHECK(on.claimed() == texts{"b #1", "y #1"});
    CHECK(on.seen("c") == "blocked 0");
  });
}

template <store_fixture Fixture>
void register_key_end_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = keyed_bench<Fixture>;
  using texts = std::vector<std::string>;

  test("key, a dead letter that releases it: the next is claimed, and new ones come behind", [] {
    bench on;
    on.bury_one();
    CHECK(on.seen("a") == "dead-letter 1 max-attempts-exhausted at 0");
    on.add(keyed("d"));
    CHECK(on.ends() == "bcd");
    on.add(keyed("e"));
    CHECK(on.seen("e") == "ready 0");
  });

  test("key, a dead letter that holds it: the others wait, new ones too, and nobody else does", [] {
    bench on;
    on.bury_one_holding();
    CHECK(on.seen("a") == "dead-letter 1 max-attempts-exhausted at 0 holding");
    on.add(keyed("d"), keyed("x", "other"), "u");
    CHECK(on.ends() == "xu");
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.seen("d") == "blocked 0");
    CHECK_FALSE(on.store().has_unfinished());
    const exchange_result idle = on.look();
    CHECK_FALSE(idle.next_due.has_value());
    CHECK_FALSE(idle.orphans_waiting);
  });

  test("key, held by its only event, also for events that come later", [] {
    store_bench<Fixture> on;
    on.add(keyed("a"));
    on.settle(bench::bury_holding(on.claim_one()));
    on.add(keyed("b"));
    CHECK(on.seen("b") == "blocked 0");
    on.purge("a");
    CHECK(on.seen("b") == "ready 0");
  });

  test("key, of whatever reason a dead letter is, it releases or holds", [] {
    for (const auto reason :
         {dead_letter_reason::max_attempts_exhausted, dead_letter_reason::rejected, dead_letter_reason::undecodable}) {
      INFO(wire_name(reason));
      bench on;
      on.settle(bench::bury(on.claim_one(), reason));
      CHECK(on.seen("b") == "ready 0");
      on.settle(bench::bury_holding(on.claim_one(), reason));
      CHECK(on.seen("b") == fmt::format("dead-letter 1 {} at 0 holding", wire_name(reason)));
      CHECK(on.claim().empty());
    }
  });

  test("key, an orphan that becomes a dead letter releases or holds", [] {
    bench on;
    on.claim_one();
    on.clock().advance(30s);
    on.settle(bench::bury(on.claim_orphan()));
    CHECK(on.seen("b") == "ready 0");
    on.claim_one();
    on.clock().advance(30s);
    on.settle(bench::bury_holding(on.claim_orphan()));
    CHECK(on.seen("c") == "blocked 0");
    CHECK(on.claim().empty());
  });

  test("key, an event without one that is to hold it, holds nothing", [] {
    store_bench<Fixture> on;
    on.add("a", "b");
    on.settle(bench::bury_holding(on.claim(1).at(0)));
    CHECK(on.seen("a") == "dead-letter 1 max-attempts-exhausted at 0");
    CHECK(on.seen("b") == "ready 0");
    CHECK(on.redrive("a") == std::vector<bool>{true});
    CHECK(on.seen("a") == "ready 0");
  });

  test("key, a stale end or one whose write fails releases nothing", [] {
    bench on;
    const auto claimed = on.claim_one();
    auto stale = bench::bury(claimed);
    ++stale.held.token;
    CHECK(on.settle(stale) == settle_status::stale);
    stale.status = attempt_status::processed;
    CHECK(on.settle(stale) == settle_status::stale);
    CHECK(on.settle(bench::end_failing(claimed)) == settle_status::write_failed);
    CHECK(on.seen("a") == "leased 1 until 30000");
    CHECK(on.seen("b") == "blocked 0");
  });

  test("purge, of a dead letter that holds its key: the next is free and somebody is woken", [] {
    bench on;
    on.bury_one_holding();
    const std::uint64_t before = on.hints();
    CHECK(on.purge("a", "a", "b") == 1);
    CHECK(on.hints() > before);
    CHECK(on.seen("b") == "ready 0");
    CHECK(on.ends() == "bc");
  });

  test("purge, of a dead letter that released its key: nothing changes for the others", [] {
    bench on;
    on.bury_one();
    const auto claimed = on.claim_one();
    CHECK(on.purge("a") == 1);
    CHECK(on.seen("b") == "leased 1 until 30000");
    CHECK(on.seen("c") == "blocked 0");
    CHECK(on.settle(bench::end(claimed)) == settle_status::applied);
    CHECK(on.ends() == "c");
  });

  test("purge, of a released dead letter while another holds the key: it stays held", [] {
    bench on;
    on.bury_one();
    on.bury_one_holding();
    CHECK(on.purge("a") == 1);
    CHECK(on.claim().empty());
    CHECK(on.seen("c") == "blocked 0");
  });

  test("sweep, where all is well nothing changes", [] {
    bench on;
    on.add(keyed("d", "held"), keyed("e", "held"), keyed("f", "later"), keyed("g", "later"), "u");
    const auto claims = on.claim();
    on.settle_all(bench::bury_holding(claims.at(1)), bench::retry(claims.at(2), 10s));
    const auto all = [&] {
      texts seen;
      for (const char* const id : {"a", "b", "c", "d", "e", "f", "g", "u"}) {
        seen.push_back(on.seen(id));
      }
      return seen;
    };
    const texts before = all();
    for (const std::size_t keys : std::vector<std::size_t>{0, 1, 100, 100}) {
      on.store().maintain(keys);
      CHECK(all() == before);
    }
  });
}

template <store_fixture Fixture>
void register_redrive_place_contract(const contract_registrar& test) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = keyed_bench<Fixture>;
  using texts = std::vector<std::string>;

  test("redrive, of a keyed event while the head is ready: before it", [] {
    bench on;
    on.bury_one();
    const std::uint64_t before = on.hints();
    CHECK(on.redrive("a") == std::vector<bool>{true});
    CHECK(on.hints() > before);
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.ends() == "abc");
  });

  test("redrive, while a later event of the key is leased: after that, and before the rest", [] {
    bench on;
    on.bury_one();
    const auto claimed = on.claim_one();
    on.redrive("a");
    CHECK(on.seen("a") == "blocked 0");
    CHECK(on.seen("b") == "leased 1 until 30000");
    CHECK(on.claim().empty());
    on.settle(bench::end(claimed));
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.ends() == "ac");
  });

  test("redrive, while a later event of the key is an orphan: after that, and before the rest", [] {
    bench on;
    on.bury_one();
    on.claim_one();
    on.clock().advance(30s);
    CHECK(on.claim().empty());
    on.redrive("a");
    CHECK(on.seen("a") == "blocked 0 due 30000");
    CHECK(on.claim().empty());
    CHECK(on.ends() == "bac");
  });

  test("redrive, while a later event of the key is in backoff: before it, and at once", [] {
    bench on;
    on.bury_one();
    on.settle(bench::retry(on.claim_one(), 1h));
    on.redrive("a");
    CHECK(on.seen("b") == "blocked 1 due 3600000");
    on.end_one();
    CHECK(on.seen("b") == "ready 1 due 3600000");
    CHECK(on.claim().empty());
    on.clock().advance(1h);
    CHECK(on.claimed() == texts{"b #2"});
  });

  test("redrive, when nothing else is left of the key: its head again", [] {
    bench on;
    on.bury_one();
    CHECK(on.ends() == "bc");
    on.redrive("a");
    on.add(keyed("d"));
    CHECK(on.ends() == "ad");
  });

  test("redrive, of an event in the middle: after those before it, and before those behind it", [] {
    bench on;
    on.end_one();
    on.bury_one();
    on.add(keyed("d"));
    on.bury_one();
    on.redrive("c");
    on.redrive("b");
    CHECK(on.ends() == "bcd");
  });

  test("redrive, of the last one while the first waits: it stays behind", [] {
    bench on;
    on.bury_one();
    on.bury_one();
    on.bury_one();
    on.redrive("a");
    on.redrive("c");
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("c") == "blocked 0");
    CHECK(on.ends() == "ac");
  });

  test("redrive, of several in any order: in the order of their append", [] {
    for (const texts& order : {texts{"a", "b", "c"}, {"b", "a", "c"}, {"c", "b", "a"}, {"b", "c", "a"}}) {
      bench on;
      on.add(keyed("d"));
      on.bury_one();
      on.bury_one();
      on.bury_one();
      CHECK(on.redrive(order[0], order[1], order[2], order[0]) == std::vector<bool>{true, true, true, false});
      CHECK(on.ends() == "abcd");
    }
  });

  test("redrive, of an event that holds its key: attempted again, and the others after it", [] {
    bench on;
    on.bury_one_holding();
    on.redrive("a");
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.store().has_unfinished());
    CHECK(on.ends() == "abc");
  });

  test("redrive, of an earlier event while another holds the key: both wait until that is redriven", [] {
    bench on;
    on.bury_one();
    on.bury_one_holding();
    on.redrive("a");
    CHECK(on.claim().empty());
    CHECK(on.seen("a") == "blocked 0");
    on.redrive("b");
    CHECK(on.ends() == "abc");
  });

  test("redrive, of an earlier event while another holds the key: first when that is purged", [] {
    bench on;
    on.bury_one();
    on.bury_one_holding();
    on.redrive("a");
    on.purge("b");
    CHECK(on.ends() == "ac");
  });

  test("redrive, not before an instant: the key waits for it", [] {
    bench on;
    on.bury_one();
    const std::vector<redrive_request> later{{"a", sample_instant + 10s}};
    CHECK(on.store().redrive(later) == std::vector<bool>{true});
    CHECK(on.seen("a") == "ready 0 due 10000");
    CHECK(on.claim().empty());
    on.clock().advance(10s);
    CHECK(on.ends() == "abc");
  });

  test("redrive, the attempts begin anew, the failures stay and the token goes on", [] {
    for (const char* const key : {"k", ""}) {
      store_bench<Fixture> on;
      on.add(keyed("a", key));
      on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
      const auto second = on.claim_one();
      on.settle(bench::bury(second, dead_letter_reason::rejected, "never"));
      on.redrive("a");
      CHECK(on.seen("a") == "ready 0, 1@0 busy, 2@0 never");
      CHECK(on.store().find("a")->token == second.held.token);
      const auto again = on.claim_one();
      CHECK(again.attempt == 1);
      CHECK(again.failures == 2);
      CHECK_FALSE(again.isolated);
      CHECK_FALSE(again.crashed);
      CHECK(again.held.token > second.held.token);
      CHECK(on.settle(bench::end(second)) == settle_status::stale);
      on.settle(bench::bury_holding(again));
      CHECK(on.store().find("a")->state == event_state::dead_letter);
    }
  });

  test("redrive, of what is no dead letter, or not there, changes nothing", [] {
    bench on;
    const auto claimed = on.claim_one();
    CHECK(on.redrive("a", "b", "nobody", "") == std::vector<bool>(4, false));
    CHECK(on.seen("a") == "leased 1 until 30000");
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.settle(bench::end(claimed)) == settle_status::applied);
  });

  test("redrive, an orphan that was buried: an ordinary event", [] {
    bench on;
    on.claim_one();
    on.clock().advance(30s);
    on.claim_orphan();
    on.clock().advance(30s);
    on.settle(bench::bury(on.claim_orphan()));
    on.redrive("a");
    CHECK(on.claimed() == texts{"a #1"});
    on.clock().advance(30s);
    CHECK(text_of(on.claim_orphan()) == "a #1 isolated");
  });

  test("redrive, while a later event of the key is leased: before its retry", [] {
    bench on;
    on.bury_one();
    const auto claimed = on.claim_one();
    on.redrive("a");
    on.settle(bench::retry(claimed));
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("b") == "blocked 1");
    CHECK(on.ends() == "abc");
  });

  test("redrive, while a later event of the key is leased: before it when that is released", [] {
    bench on;
    on.bury_one();
    const auto claimed = on.claim_one();
    on.redrive("a");
    on.release(claimed.held);
    CHECK(on.seen("a") == "ready 0");
    CHECK(on.seen("b") == "blocked 0");
    CHECK(on.ends() == "abc");
  });
}

/// Registers the whole suite; returns true, for a static's sake.
template <store_fixture Fixture>
requires event_relay::dead_letter_store<typename Fixture::store_type>
bool register_ordering_contract(std::string unit) {
  const contract_registrar test{std::move(unit)};
  register_head_contract<Fixture>(test);
  register_key_end_contract<Fixture>(test);
  register_redrive_place_contract<Fixture>(test);
  test("ordering, thirty histories by chance: each key's events one at a time, in their order and to their end", [] {
    for (std::uint32_t seed = 1; seed <= 30; ++seed) {
      INFO("seed " << seed);
      ordering_history<Fixture>{seed}.run(120);
    }
  });
  return true;
}

}  // namespace event_relay_test
