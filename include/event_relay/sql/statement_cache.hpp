// SPDX-License-Identifier: MIT
// Statements that were prepared on one connection, so that each is prepared once.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace event_relay::sql {

/// Kept under a text, by its value: a statement's name, or the whole statement where it has none. Used by one thread
/// at a time.
template <class Prepared>
class statement_cache {
 public:
  /// What `prepare()` returned at the first call with `key`. The reference is valid until `clear`.
  template <class Prepare>
  Prepared& get(std::string_view key, const Prepare& prepare) {
    const auto found = prepared_.find(key);
    return found != prepared_.end() ? found->second : prepared_.emplace(std::string{key}, prepare()).first->second;
  }

  void clear() { prepared_.clear(); }
  std::size_t size() const { return prepared_.size(); }

 private:
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::unordered_map<std::string, Prepared, text_hash, std::equal_to<>> prepared_;
};

}  // namespace event_relay::sql
