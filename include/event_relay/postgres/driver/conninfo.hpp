// SPDX-License-Identifier: MIT
// How a database is named (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING), and how
// it is named to people: without its password.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

namespace event_relay::postgres {

/// A connection string, of keywords or a URI. Throws std::invalid_argument for one that libpq cannot read; the
/// text names the fault and repeats nothing of the string that may be a secret.
class conninfo {
 public:
  explicit conninfo(std::string text) : text_{std::move(text)} {
    char* message = nullptr;
    const options parsed{PQconninfoParse(text_.c_str(), &message), PQconninfoFree};
    const std::unique_ptr<char, decltype(&PQfreemem)> owned{message, PQfreemem};
    if (!parsed) {
      throw std::invalid_argument(fmt::format("postgres: the connection string cannot be read: {}",
                                              without_quoted(message != nullptr ? message : "no memory")));
    }
    for (const PQconninfoOption* each = parsed.get(); each->keyword != nullptr; ++each) {
      const std::string_view keyword = each->keyword;
      if (each->val == nullptr || *each->val == '\0') {
        continue;
      }
      // "*" marks what libpq itself would hide on a screen.
      if (*each->dispchar == '*') {
        secrets_.emplace_back(each->val);
      } else if (keyword == "host" || keyword == "hostaddr" || keyword == "port" || keyword == "dbname" ||
                 keyword == "user" || keyword == "service") {
        shown_ += fmt::format("{}{}={}", shown_.empty() ? "" : " ", keyword, each->val);
      }
    }
  }

  const std::string& text() const { return text_; }

  /// Where it leads, for logs: host, port, database, user.
  const std::string& shown() const { return shown_; }

  /// `said` with every secret of the string blotted out.
  std::string redacted(std::string said) const {
    for (const std::string& secret : secrets_) {
      for (std::size_t at = said.find(secret); at != std::string::npos; at = said.find(secret, at + 3)) {
        said.replace(at, secret.size(), "***");
      }
    }
    return said;
  }

 private:
  using options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

  // libpq quotes pieces of the string, and a mistyped one may have its password anywhere.
  static std::string without_quoted(std::string_view said) {
    std::string kept;
    bool is_quoted = false;
    for (const char each : said) {
      if (each == '"') {
        kept += is_quoted ? "...\"" : "\"";
        is_quoted = !is_quoted;
      } else if (!is_quoted && each != '\n') {
        kept += each;
      }
    }
    return kept;
  }

  std::string text_;
  std::string shown_;
  std::vector<std::string> secrets_;
};

}  // namespace event_relay::postgres
