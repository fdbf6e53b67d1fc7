// SPDX-License-Identifier: MIT
// How events come into the table: on the host's connection, in its transaction, by one statement that leaves no other
// trace there. It does not ask which place an event has in its key, and takes no lock, so that appends never wait for
// each other.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/commit_hook.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/row.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/record_columns.hpp"
#include "event_relay/postgres/statements.hpp"

namespace event_relay::postgres::detail {

/// An outbox as its hosts' connections know it.
struct host_side {
  /// The statements of these names, with the outbox's own names in them.
  std::string insert_events;
  std::string insert_plain_events;
  std::string read_outbox_id;
  /// The qualified name of the table that says which outbox it is.
  std::string outbox_table;
  std::string id;
  std::shared_ptr<const commit_hook::committed_function> committed;
};

// Not prepared under a name: such a statement would be gone after a DISCARD ALL of the host or of a pooler.
template <class... Parameters>
owned_result run_on(PGconn* host, const std::string& sql, std::string_view doing, const Parameters&... parameters) {
  const parameter_list list{parameters...};
  owned_result result{
      PQexecParams(host, sql.c_str(), list.size(), nullptr, list.values(), list.lengths(), list.formats(), 0)};
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw_error(host, result.get(), doing);
  }
  return result;
}

inline void require_open_transaction(PGconn* host) {
  switch (PQtransactionStatus(host)) {
    case PQTRANS_INTRANS: break;
    case PQTRANS_IDLE:
      throw store_error{store_errc::no_transaction,
                        "postgres: append joins the transaction of the change that the event tells of; begin it first"};
    case PQTRANS_INERROR:
      throw store_error{store_errc::no_transaction,
                        "postgres: a statement of the host's transaction has failed, so nothing can be appended to it; "
                        "roll it back"};
    case PQTRANS_ACTIVE:
      throw store_error{store_errc::rejected, "postgres: a command of the host is still running on its connection"};
    case PQTRANS_UNKNOWN: throw store_error{store_errc::connection_lost, "postgres: the host's connection is lost"};
  }
  if (PQpipelineStatus(host) != PQ_PIPELINE_OFF) {
    throw store_error{store_errc::rejected,
                      "postgres: the host's connection is in pipeline mode; append outside of it"};
  }
  const char* const encoding = PQparameterStatus(host, "client_encoding");
  if (encoding != nullptr && std::string_view{encoding} != "UTF8") {
    throw store_error{store_errc::rejected,
                      fmt::format("postgres: the host's connection speaks {}, and events are UTF-8; connect with "
                                  "client_encoding=UTF8",
                                  encoding)};
  }
}

// Runs once on each connection. Its statements do not fail on the server, which would fail the host's transaction.
inline void require_same_database(PGconn* host, const host_side& outbox) {
  const auto wrong = [&](std::string_view what) {
    return store_error{store_errc::wrong_database,
                       fmt::format("postgres: append on a connection to database \"{}\", which {}", PQdb(host), what)};
  };
  const owned_result table =
      run_on(host, std::string{statements::find_outbox_table.text}, "looking for the outbox", outbox.outbox_table);
  if (row{table.get(), 0}.is_null("found")) {
    throw wrong(fmt::format("has no table {}", outbox.outbox_table));
  }
  const owned_result id = run_on(host, outbox.read_outbox_id, "looking for the outbox");
  if (PQntuples(id.get()) != 1 || row{id.get(), 0}.text("id") != outbox.id) {
    throw wrong("has an outbox of that name, but another one");
  }
}

inline std::vector<append_status> append(const host_side& outbox, PGconn* host, std::span<const event_record> records,
                                         const clock_override& time) {
  require_open_transaction(host);
  if (records.empty()) {
    return {};
  }
  commit_hook& hook = commit_hook::on(host);
  if (!hook.has_checked(outbox.committed.get())) {
    require_same_database(host, outbox);
    hook.checked(outbox.committed);
  }
  record_columns columns;
  for (const event_record& each : records) {
    columns.add(each);
  }
  hook.watch_commit(outbox.committed);
  owned_result inserted;
  columns.give_to([&](const auto&... all) {
    inserted = run_on(host, columns.is_plain ? outbox.insert_plain_events : outbox.insert_events,
                      fmt::format("appending {} events", records.size()), time, all...);
  });
  std::unordered_map<std::string_view, int> fresh;
  for (int at = 0; at < PQntuples(inserted.get()); ++at) {
    fresh.emplace(row{inserted.get(), at}.text("id"), 1);
  }
  std::vector<append_status> answers;
  answers.reserve(records.size());
  for (const event_record& each : records) {
    const auto found = fresh.find(each.id);
    const bool is_fresh = found != fresh.end() && found->second-- > 0;
    answers.push_back(is_fresh ? append_status::appended : append_status::duplicate);
  }
  return answers;
}

}  // namespace event_relay::postgres::detail
