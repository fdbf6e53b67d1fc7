// SPDX-License-Identifier: MIT
// All statements of the outbox in SQLite: each has a name of its own, can be prepared, and reads no table from end to
// end, also where ANALYZE has counted rows.
#include "event_relay/sqlite/statements.hpp"

#include <chrono>
#include <set>
#include <string>
#include <string_view>

#include "event_relay/sqlite/schema.hpp"
#include "event_relay/sqlite/session.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using sqlite::detail::session;
namespace statements = sqlite::detail::statements;

struct outbox_in_file {
  temporary_folder folder;
  session on{sqlite::connection{folder / "outbox.sqlite", 0ms}, {}};

  outbox_in_file() {
    sqlite::migrate(on.database());
    on.execute(statements::create_name_index);
  }

  // "SEARCH e USING INDEX …; SCAN …"
  std::string plan_of(const sql::statement& what) {
    std::string plan;
    sqlite::statement explain{on.database().handle(), "EXPLAIN QUERY PLAN " + sql::expanded(what.text, on.names())};
    sqlite3_stmt* const raw = explain.handle();
    while (sqlite3_step(raw) == SQLITE_ROW) {
      plan += std::string{reinterpret_cast<const char*>(sqlite3_column_text(raw, 3))} + "; ";
    }
    return plan;
  }
};

// Those that read a table of few rows, or all of an index that holds nothing else.
bool may_scan(std::string_view name) {
  return std::set<std::string_view>{"next_token", "select_outcomes", "has_name", "stored_version", "store_version"}
      .contains(name);
}

}  // namespace

TEST_CASE("statements: each with a name of its own, and prepared on a fresh outbox") {
  outbox_in_file outbox;
  std::set<std::string_view> names;
  for (const sql::statement& each : statements::all) {
    INFO(each.name);
    CHECK(names.insert(each.name).second);
    CHECK_NOTHROW(outbox.on.prepared(each));
  }
  CHECK(names.size() > 40);
}

TEST_CASE("statements: none reads all events, with or without ANALYZE") {
  outbox_in_file outbox;
  outbox.on.run(
      "INSERT INTO event_relay_events (id, name, payload, occurred_at, correlation_id, replayed, available_at) "
      "VALUES ('a', 'n', '', 0, '', 0, 0)");
  for (const bool is_analyzed : {false, true}) {
    if (is_analyzed) {
      outbox.on.run("ANALYZE");
    }
    for (const sql::statement& each : statements::all) {
      const std::string plan = outbox.plan_of(each);
      INFO(each.name << ": " << plan);
      for (std::size_t at = plan.find("SCAN "); at != std::string::npos; at = plan.find("SCAN ", at + 1)) {
        const std::string step = plan.substr(at, plan.find(';', at) - at);
        // A partial index holds the events of one state; a list of parameters is none of the tables.
        const bool is_by_index = contains(step, "INDEX event_relay_") || contains(step, "CONSTANT ROW");
        CHECK((is_by_index || may_scan(each.name)));
      }
    }
  }
}
