// SPDX-License-Identifier: MIT
// The outbox's commit hook on the host's own connections. The commit is seen by a virtual table of the library's, so
// that none of the host's own hooks is touched. The hook is gone with its connection.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/statement.hpp"
#include "event_relay/sqlite/insert_event.hpp"
#include "event_relay/sqlite/session.hpp"

namespace event_relay::sqlite {

/// The hooks on all connections of the host that have appended to one store. They outlive the store where a connection
/// does.
/// Thread-safe, as long as each connection is used by one thread at a time.
class commit_hooks : public std::enable_shared_from_this<commit_hooks> {
 public:
  /// `file` is the store's database; `committed` is woken after each commit that appended to it.
  commit_hooks(std::filesystem::path file, std::shared_ptr<wake_signal> committed)
      : file_{std::move(file)}, committed_{std::move(committed)} {}

  /// What the outbox keeps on one connection. It is the virtual table's, which SQLite disconnects before it
  /// checks whether statements are left that would keep the connection from closing.
  class commit_hook {
   public:
    commit_hook(sqlite3* database, std::shared_ptr<commit_hooks> all)
        : database_{database},
          all_{std::move(all)},
          module_name_{fmt::format("event_relay_commit_{}", fmt::ptr(all_.get()))} {}

    /// The commit of the open transaction will wake the workers.
    void watch_commit() {
      if (!is_watching_) {
        statement{database_, fmt::format("INSERT INTO {} VALUES (NULL)", module_name_)}.execute();
      }
    }

    statement& insertion(const event_record& record) {
      auto& prepared = insertions_[record.ordering_key.empty() ? 0 : 1];
      if (!prepared) {
        const sql::statement& insertion = detail::insertion_of(record);
        prepared.emplace(database_, sql::expanded(insertion.text, detail::no_names{}), insertion.name);
      }
      return *prepared;
    }

   private:
    friend class commit_hooks;
    sqlite3* database_;
    std::shared_ptr<commit_hooks> all_;
    std::string module_name_;
    bool is_watching_ = false;
    std::array<std::optional<statement>, 2> insertions_;
  };

  /// The hook on `database`, which is made at the first call. Throws store_error: wrong_database if it is a
  /// connection to another file than the store's.
  commit_hook& hook_on(sqlite3* database) {
    {
      const std::lock_guard lock{mutex_};
      if (const auto found = hooks_.find(database); found != hooks_.end()) {
        return *found->second;
      }
    }
    require_same_file(database);
    auto fresh =
        std::make_unique<std::shared_ptr<commit_hook>>(std::make_shared<commit_hook>(database, shared_from_this()));
    commit_hook& made = **fresh;
    // SQLite calls `leave` when the connection closes, and also if this call fails.
    const int code = sqlite3_create_module_v2(database, made.module_name_.c_str(), &module(), fresh.release(), leave);
    if (code != SQLITE_OK) {
      throw_error(database, code, "watching for commits");
    }
    const std::lock_guard lock{mutex_};
    return *hooks_.emplace(database, &made).first->second;
  }

 private:
  struct table : sqlite3_vtab {
    std::shared_ptr<commit_hook> owner;
  };
  struct cursor : sqlite3_vtab_cursor {};

  void require_same_file(sqlite3* database) const {
    const char* const name = sqlite3_db_filename(database, "main");
    std::error_code ignored;
    if (name == nullptr || !std::filesystem::equivalent(file_, name, ignored)) {
      throw store_error{store_errc::wrong_database, fmt::format("sqlite: append to {} on a connection to \"{}\"",
                                                                file_.string(), name != nullptr ? name : "")};
    }
  }

  static commit_hook& hook_of(sqlite3_vtab* at) { return *static_cast<table*>(at)->owner; }

  static void leave(void* leaving) {
    const std::unique_ptr<std::shared_ptr<commit_hook>> gone{static_cast<std::shared_ptr<commit_hook>*>(leaving)};
    const std::shared_ptr<commit_hooks> all = (*gone)->all_;
    const std::lock_guard lock{all->mutex_};
    all->hooks_.erase((*gone)->database_);
  }

  // The virtual table (https://sqlite.org/vtab.html), of the kind that exists without being created. It is
  // empty, takes what is inserted, and is called at the end of the transaction.
  static const sqlite3_module& module() {
    static const sqlite3_module methods = [] {
      sqlite3_module made{};
      made.iVersion = 1;
      made.xConnect = [](sqlite3* database, void* owner, int, const char* const*, sqlite3_vtab** out, char**) {
        const int code = sqlite3_declare_vtab(database, "CREATE TABLE commits (hint)");
        if (code == SQLITE_OK) {
          auto* const made_table = new (std::nothrow) table{};
          if (made_table == nullptr) {
            return SQLITE_NOMEM;
          }
          made_table->owner = *static_cast<std::shared_ptr<commit_hook>*>(owner);
          *out = made_table;
        }
        return code;
      };
      made.xDisconnect = [](sqlite3_vtab* at) {
        hook_of(at).insertions_ = {};
        delete static_cast<table*>(at);
        return SQLITE_OK;
      };
      made.xBestIndex = [](sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; };
      made.xOpen = [](sqlite3_vtab*, sqlite3_vtab_cursor** out) {
        *out = new (std::nothrow) cursor{};
        return *out != nullptr ? SQLITE_OK : SQLITE_NOMEM;
      };
      made.xClose = [](sqlite3_vtab_cursor* at) {
        delete static_cast<cursor*>(at);
        return SQLITE_OK;
      };
      made.xFilter = [](sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; };
      made.xNext = [](sqlite3_vtab_cursor*) { return SQLITE_OK; };
      made.xEof = [](sqlite3_vtab_cursor*) { return 1; };
      made.xColumn = [](sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; };
      made.xRowid = [](sqlite3_vtab_cursor*, sqlite3_int64* out) {
        *out = 0;
        return SQLITE_OK;
      };
      made.xUpdate = [](sqlite3_vtab*, int, sqlite3_value**, sqlite3_int64* out) {
        *out = 0;
        return SQLITE_OK;
      };
      made.xBegin = [](sqlite3_vtab* at) {
        hook_of(at).is_watching_ = true;
        return SQLITE_OK;
      };
      made.xSync = [](sqlite3_vtab*) { return SQLITE_OK; };
      made.xCommit = [](sqlite3_vtab* at) {
        hook_of(at).is_watching_ = false;
        hook_of(at).all_->committed_->wake();
        return SQLITE_OK;
      };
      made.xRollback = [](sqlite3_vtab* at) {
        hook_of(at).is_watching_ = false;
        return SQLITE_OK;
      };
      return made;
    }();
    return methods;
  }

  std::filesystem::path file_;
  std::shared_ptr<wake_signal> committed_;
  std::mutex mutex_;
  std::unordered_map<sqlite3*, commit_hook*> hooks_;
};

}  // namespace event_relay::sqlite
