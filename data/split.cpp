#include "data/split.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "kernels/error.h"

namespace thaw {

namespace {

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

struct Boundary {
  std::int64_t value = 0;
  bool percent = false;
};

[[noreturn]] void fail_syntax(std::string_view slice) {
  fail(ErrorKind::usage,
       "cannot read the slice '{}'; expected train, train[FROM:TO], train[:TO] or train[FROM:] with whole numbers or "
       "whole percents, such as train[15%:90%] or train[-100:]",
       slice);
}

std::optional<Boundary> read_boundary(std::string_view text, std::string_view slice) {
  if (text.empty()) return std::nullopt;
  Boundary boundary;
  boundary.percent = text.back() == '%';
  if (boundary.percent) text.remove_suffix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, boundary.value);
  if (error != std::errc() || stop != end) fail_syntax(slice);
  return boundary;
}

/// p * n / 100 rounded half to even, like Python's round(); the sign is symmetric.
std::int64_t percent_of(std::int64_t p, std::int64_t n) {
  const std::int64_t product = std::abs(p) * n;
  const std::int64_t remainder = product % 100;
  std::int64_t quotient = product / 100;
  if (remainder > 50 || (remainder == 50 && quotient % 2 == 1)) ++quotient;
  return p < 0 ? -quotient : quotient;
}

std::int64_t resolve_boundary(const Boundary& boundary, std::string_view slice, std::int64_t n) {
  const std::int64_t limit = boundary.percent ? 100 : n;
  if (boundary.value > limit || boundary.value < -limit) {
    fail(ErrorKind::usage, "the slice '{}' reaches beyond the {} photos; use at most {}{}", slice, n, limit,
         boundary.percent ? "%" : "");
  }
  const std::int64_t index = boundary.percent ? percent_of(boundary.value, n) : boundary.value;
  return index < 0 ? n + index : index;
}

void append_slice(std::string_view slice, std::int64_t n, std::vector<int>& out) {
  constexpr std::string_view name = "train";
  if (!slice.starts_with(name)) fail_syntax(slice);
  const std::string_view brackets = slice.substr(name.size());
  std::int64_t from = 0, to = n;
  if (!brackets.empty()) {
    const std::size_t colon = brackets.find(':');
    if (brackets.front() != '[' || brackets.back() != ']' || colon == std::string_view::npos) fail_syntax(slice);
    const auto low = read_boundary(brackets.substr(1, colon - 1), slice);
    const auto high = read_boundary(brackets.substr(colon + 1, brackets.size() - colon - 2), slice);
    if (low && high && low->percent != high->percent) {
      fail(ErrorKind::usage, "the slice '{}' mixes percents and numbers; write both with % or both without", slice);
    }
    if (low) from = resolve_boundary(*low, slice, n);
    if (high) to = resolve_boundary(*high, slice, n);
  }
  for (std::int64_t i = from; i < to; ++i) out.push_back(static_cast<int>(i));
}

void require_disjoint(const std::array<std::string_view, 3>& names, const std::array<const std::vector<int>*, 3>& parts,
                      int n) {
  std::vector<int> owner(static_cast<std::size_t>(n), -1);
  for (int p = 0; p < 3; ++p) {
    for (const int i : *parts[static_cast<std::size_t>(p)]) {
      int& slot = owner[static_cast<std::size_t>(i)];
      if (slot >= 0) {
        fail(ErrorKind::usage, "the split takes photo {} both for {} and for {}; its parts must not overlap", i,
             names[static_cast<std::size_t>(slot)], names[static_cast<std::size_t>(p)]);
      }
      slot = p;
    }
  }
}

}  // namespace

SplitSpec SplitSpec::parse(std::string_view text) {
  SplitSpec spec;
  for (const std::string_view part : parts_of(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view name = trim(part.substr(0, equals));
    std::string* slot = name == "train"  ? &spec.train
                        : name == "val"  ? &spec.val
                        : name == "test" ? &spec.test
                                         : nullptr;
    if (slot == nullptr || equals == std::string_view::npos || !slot->empty()) {
      fail(ErrorKind::usage, "cannot read '{}' in the split '{}'; expected train=, val= and test=, once each, as in {}",
           part, text, default_split);
    }
    *slot = trim(part.substr(equals + 1));
    if (slot->empty()) fail_syntax(*slot);
  }
  if (spec.train.empty() || spec.val.empty() || spec.test.empty()) {
    fail(ErrorKind::usage, "the split '{}' lacks {}=; expected train=, val= and test=, as in {}", text,
         spec.train.empty() ? "train"
         : spec.val.empty() ? "val"
                            : "test",
         default_split);
  }
  return spec;
}

std::vector<int> resolve_slice(std::string_view expression, int n) {
  std::vector<int> indices;
  for (const std::string_view slice : parts_of(expression, '+')) append_slice(trim(slice), n, indices);
  return indices;
}

Split split_dataset(const Dataset& dataset, std::string_view spec) {
  const SplitSpec expressions = SplitSpec::parse(spec);
  const int n = dataset.size();
  Split split{resolve_slice(expressions.train, n), resolve_slice(expressions.val, n),
              resolve_slice(expressions.test, n)};
  const std::array<std::string_view, 3> names{"train", "val", "test"};
  const std::array<std::vector<int>*, 3> parts{&split.train, &split.val, &split.test};
  for (std::size_t p = 0; p < 3; ++p) {
    std::sort(parts[p]->begin(), parts[p]->end());
    if (parts[p]->empty()) {
      fail(ErrorKind::usage, "the split '{}' leaves no photo for {} of the {} there are; widen that slice", spec,
           names[p], n);
    }
  }
  require_disjoint(names, {parts[0], parts[1], parts[2]}, n);

  std::vector<int> counts(dataset.class_names().size(), 0);
  for (const int i : split.train)
    ++counts[static_cast<std::size_t>(dataset.samples()[static_cast<std::size_t>(i)].label)];
  const auto missing = std::find(counts.begin(), counts.end(), 0);
  if (missing != counts.end()) {
    fail(ErrorKind::data, "class '{}' has no photo in the training slice {}; add photos or widen the slice",
         dataset.class_names()[static_cast<std::size_t>(missing - counts.begin())], expressions.train);
  }
  return split;
}

}  // namespace thaw
