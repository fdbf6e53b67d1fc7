// SPDX-License-Identifier: MIT
// A payload into JSON text, member by member and in one pass; refuses what would not be read back as it was.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/json_text.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/json/json_error.hpp"
#include "event_relay/json/json_member.hpp"

namespace event_relay::detail {

class json_writer {
 public:
  explicit json_writer(std::size_t max_depth) : max_depth_{max_depth} {}

  template <described_payload Payload>
  std::string write_all(const Payload& payload) {
    write(payload, nullptr);
    return fmt::to_string(out_);
  }

 private:
  template <class Member>
  void write(const Member& member, const json_path* path) {
    constexpr json_kind kind = json_kind_of<Member>;
    if constexpr (kind == json_kind::payload) {
      write_payload(member, path);
    } else if constexpr (kind == json_kind::json) {
      write_json(member, path);
    } else if constexpr (kind == json_kind::boolean) {
      append(out_, std::string_view{member ? "true" : "false"});
    } else if constexpr (kind == json_kind::integer) {
      const fmt::format_int digits{member};
      append(out_, std::string_view{digits.data(), digits.size()});
    } else if constexpr (kind == json_kind::number) {
      write_number(member, path);
    } else if constexpr (kind == json_kind::text) {
      write_text(member, path);
    } else if constexpr (kind == json_kind::optional) {
      write_optional(member, path);
    } else if constexpr (kind == json_kind::array || kind == json_kind::sequence) {
      open('[');
      for (const auto& each : member) {
        write_next(static_cast<const typename Member::value_type&>(each), path);
      }
      close(']');
    } else if constexpr (kind == json_kind::tuple) {
      open('[');
      std::apply([&](const auto&... each) { (write_next(each, path), ...); }, member);
      close(']');
    } else if constexpr (kind == json_kind::map) {
      open('{');
      for (const auto& [key, value] : member) {
        write_name(key, path);
        write(value, path);
      }
      close('}');
    } else if constexpr (kind == json_kind::converted) {
      write_json(converted(path, [&] { return json_of(member); }), path);
    }
  }

  template <described_payload Payload>
  void write_payload(const Payload& payload, const json_path* path) {
    open('{');
    for_each_field(payload, [&]<class Value>(const auto& each, const Value& value) {
      if constexpr (is_a<Value, std::optional>) {
        if (!value) {
          return;
        }
      }
      const json_path inner{path, each.name};
      write_name(each.name, path);
      write(value, &inner);
    });
    close('}');
  }

  template <class Optional>
  void write_optional(const Optional& optional, const json_path* path) {
    const std::size_t start = out_.size();
    if (!optional) {
      return append(out_, "null");
    }
    write(*optional, path);
    if (std::string_view{out_.data() + start, out_.size() - start} == "null") {
      refuse_json(path, "is a value that becomes null, which would be read as none");
    }
  }

  void write_number(double number, const json_path* path) {
    if (!std::isfinite(number)) {
      refuse_json(path, "is not a finite number, and JSON has no other");
    }
    const std::size_t start = out_.size();
    append(out_, fmt::format("{}", number));
    // An integer's text would lose the sign of -0.
    if (std::string_view{out_.data() + start, out_.size() - start}.find_first_of(".e") == std::string_view::npos) {
      append(out_, ".0");
    }
  }

  // Escapes what JSON demands and no more, unlike append_json_string, whose text people read.
  void write_text(std::string_view text, const json_path* path) {
    out_.push_back('"');
    while (true) {
      const std::size_t plain = count_plain(text);
      append(out_, text.substr(0, plain));
      text.remove_prefix(plain);
      if (text.empty()) {
        break;
      }
      const auto [length, codepoint] = first_sequence(text);
      const std::string_view sequence = text.substr(0, length);
      if (codepoint == 0xfffd && sequence != "\xef\xbf\xbd") {
        refuse_json(path, "is not UTF-8");
      }
      write_character(sequence, codepoint);
      text.remove_prefix(length);
    }
    out_.push_back('"');
  }

  void write_character(std::string_view sequence, std::uint32_t codepoint) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t";
    constexpr std::string_view escapes = "\"\\bfnrt";
    const std::size_t found = special.find(sequence.front());
    if (found != std::string_view::npos) {
      out_.push_back('\\');
      out_.push_back(escapes[found]);
    } else if (codepoint < 0x20) {
      append(out_, fmt::format("\\u{:04x}", codepoint));
    } else {
      append(out_, sequence);
    }
  }

  // Keeps the order of members, unless the host has a to_json for nlohmann::json alone.
  template <class Member>
  static auto json_of(const Member& member) {
    constexpr bool is_ordered = has_to_json<Member, nlohmann::ordered_json> || !has_to_json<Member, nlohmann::json>;
    if constexpr (is_ordered && std::convertible_to<const Member&, nlohmann::ordered_json>) {
      return nlohmann::ordered_json(member);
    } else {
      return nlohmann::json(member);
    }
  }

  // Not by dump(), which recurses without bound and writes null for a number that JSON does not have.
  template <class Json>
  void write_json(const Json& json, const json_path* path) {
    using type = nlohmann::json::value_t;
    switch (json.type()) {
      case type::null: return append(out_, "null");
      case type::boolean: return write(json.template get<bool>(), path);
      case type::number_integer: return write(json.template get<std::int64_t>(), path);
      case type::number_unsigned: return write(json.template get<std::uint64_t>(), path);
      case type::number_float: return write_number(json.template get<double>(), path);
      case type::string: return write_text(json.template get_ref<const std::string&>(), path);
      case type::array:
        open('[');
        for (const Json& each : json) {
          separate();
          write_json(each, path);
        }
        return close(']');
      case type::object:
        open('{');
        for (const auto& [key, value] : json.template get_ref<const typename Json::object_t&>()) {
          write_name(key, path);
          write_json(value, path);
        }
        return close('}');
      case type::binary:
      case type::discarded: refuse_json(path, fmt::format("is {}, which JSON does not have", json.type_name()));
    }
  }

  template <class Member>
  void write_next(const Member& element, const json_path* path) {
    separate();
    write(element, path);
  }

  void write_name(std::string_view name, const json_path* path) {
    separate();
    write_text(name, path);
    out_.push_back(':');
  }

  void open(char bracket) {
    if (depth_ == max_depth_) {
      refuse_json_depth(max_depth_);
    }
    ++depth_;
    out_.push_back(bracket);
  }

  void close(char bracket) {
    --depth_;
    out_.push_back(bracket);
  }

  // No value ends with an opening bracket.
  void separate() {
    if (const char last = out_[out_.size() - 1]; last != '{' && last != '[') {
      out_.push_back(',');
    }
  }

  std::size_t max_depth_;
  std::size_t depth_ = 0;
  fmt::memory_buffer out_;
};

}  // namespace event_relay::detail
