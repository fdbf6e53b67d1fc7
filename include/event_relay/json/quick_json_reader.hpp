// SPDX-License-Identifier: MIT
// A payload from text that looks just as json_writer writes it: described members in order, no space between.
// Whatever differs, be it right or wrong, is left to the parser and json_reader; what is read here is what they
// would have read.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "event_relay/core/json_text.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/json/json_member.hpp"

namespace event_relay::detail {

// Whether each name is in the text as it is in the description.
template <described_payload Payload>
inline constexpr bool has_plain_names =
    std::apply([](const auto&... each) { return (std::all_of(each.name.begin(), each.name.end(), is_plain) && ...); },
               payload_description<Payload>);

class quick_json_reader {
 public:
  quick_json_reader(std::string_view text, std::size_t max_depth) : rest_{text}, levels_left_{max_depth} {}

  /// Whether all of the text was read; if not, `to` holds any part of it.
  template <described_payload Payload>
  bool read_all(Payload& to) {
    return read(to) && rest_.empty();
  }

 private:
  template <class Member>
  bool read(Member& to) {
    constexpr json_kind kind = json_kind_of<Member>;
    if constexpr (kind == json_kind::payload) {
      return has_plain_names<Member> && read_payload(to);
    } else if constexpr (kind == json_kind::boolean) {
      to = skip("true");
      return to || skip("false");
    } else if constexpr (kind == json_kind::integer) {
      return read_integer(to);
    } else if constexpr (kind == json_kind::text) {
      return read_text(to);
    } else if constexpr (kind == json_kind::optional) {
      if (skip("null")) {
        to.reset();
        return true;
      }
      return read(to.emplace());
    } else if constexpr (kind == json_kind::sequence) {
      return read_sequence(to);
    } else {
      return false;
    }
  }

  template <described_payload Payload>
  bool read_payload(Payload& to) {
    if (!enter('{')) {
      return false;
    }
    bool is_first = true;
    const auto read_member = [&](const auto& each) {
      auto& member = to.*each.member;
      const std::string_view before = rest_;
      if ((is_first || skip(",")) && skip("\"") && skip(each.name) && skip("\":")) {
        is_first = false;
        return read(member);
      }
      rest_ = before;
      if constexpr (is_a<std::remove_cvref_t<decltype(member)>, std::optional>) {
        member.reset();
        return true;
      }
      return false;
    };
    return std::apply([&](const auto&... each) { return (read_member(each) && ...); }, payload_description<Payload>) &&
           leave('}');
  }

  template <class Sequence>
  bool read_sequence(Sequence& to) {
    to.clear();
    if (!enter('[')) {
      return false;
    }
    while (!leave(']')) {
      typename Sequence::value_type value{};
      if ((!to.empty() && !skip(",")) || !read(value)) {
        return false;
      }
      to.insert(to.end(), std::move(value));
    }
    return true;
  }

  template <class Text>
  bool read_text(Text& to) {
    to.clear();
    if (!skip("\"")) {
      return false;
    }
    while (true) {
      const std::size_t plain = count_plain(rest_);
      to.append(rest_.data(), plain);
      rest_.remove_prefix(plain);
      if (skip("\"")) {
        return true;
      }
      if (rest_.empty() || !read_character(to)) {
        return false;
      }
    }
  }

  template <class Text>
  bool read_character(Text& to) {
    constexpr std::string_view escapes = "\"\\/bfnrt";
    constexpr std::string_view characters = "\"\\/\b\f\n\r\t";
    if (skip("\\")) {
      const std::size_t found = rest_.empty() ? std::string_view::npos : escapes.find(rest_.front());
      if (found == std::string_view::npos) {
        return false;
      }
      to.push_back(characters[found]);
      rest_.remove_prefix(1);
      return true;
    }
    const auto [length, codepoint] = first_sequence(rest_);
    if (codepoint < 0x20 || codepoint == 0xfffd) {
      return false;
    }
    to.append(rest_.data(), length);
    rest_.remove_prefix(length);
    return true;
  }

  // Whatever follows the digits must then be the text's next part: a fraction or an exponent never is.
  template <class Number>
  bool read_integer(Number& to) {
    const std::string_view digits = rest_.substr(rest_.starts_with('-') ? 1 : 0, 2);
    if (digits.size() == 2 && digits[0] == '0' && is_digit(digits[1])) {
      return false;
    }
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), to);
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return error == std::errc{};
  }

  static bool is_digit(char character) { return character >= '0' && character <= '9'; }

  bool enter(char bracket) {
    if (levels_left_ == 0 || !rest_.starts_with(bracket)) {
      return false;
    }
    --levels_left_;
    rest_.remove_prefix(1);
    return true;
  }

  bool leave(char bracket) {
    if (!rest_.starts_with(bracket)) {
      return false;
    }
    ++levels_left_;
    rest_.remove_prefix(1);
    return true;
  }

  bool skip(std::string_view part) {
    if (!rest_.starts_with(part)) {
      return false;
    }
    rest_.remove_prefix(part.size());
    return true;
  }

  std::string_view rest_;
  std::size_t levels_left_;
};

}  // namespace event_relay::detail
