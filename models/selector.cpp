#include "models/selector.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace thaw {

namespace {

constexpr std::string_view kForms = "none, all, blocks:N, layer:N, glob:PATTERN, or several joined with '+'";

using Rows = std::vector<LayerInfo>;

/// The first row of every residual block, in order.
std::vector<std::size_t> block_starts(const Network& network, const SelectorOptions& options) {
  std::vector<std::size_t> starts;
  std::string_view open_block;
  const Rows& rows = network.layers.rows();
  for (std::size_t i = 0; i < rows.size() && !rows[i].head; ++i) {
    const bool counts = rows[i].block != "stem" && (options.tail_is_block || rows[i].block != "tail");
    if (counts && rows[i].block != open_block) starts.push_back(i);
    open_block = rows[i].block;
  }
  return starts;
}

std::size_t parse_count(std::string_view digits, std::string_view term) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    fail(ErrorKind::usage, "[unfreeze] '{}' needs a whole number of at least 0 behind the colon, found '{}'", term,
         digits);
  }
  return value;
}

void select_blocks(const Network& network, std::size_t count, const SelectorOptions& options, Selection& selection) {
  if (count == 0) return;
  const std::vector<std::size_t> starts = block_starts(network, options);
  std::size_t first = 0;
  if (count <= starts.size()) {
    first = starts[starts.size() - count];
  } else if (options.clip_blocks) {
    first = starts.front();
  }
  std::fill(selection.unfrozen.begin() + static_cast<std::ptrdiff_t>(first), selection.unfrozen.end(), true);
}

void select_from_layer(const Network& network, std::size_t index, std::string_view term, const SelectorOptions& options,
                       Selection& selection) {
  const std::vector<std::size_t> counted = counted_rows(network, options);
  if (index >= counted.size()) {
    fail(ErrorKind::usage, "[unfreeze] '{}' selects nothing: {} has {} layers in Keras' order, 0 '{}' to {} '{}'", term,
         network.id, counted.size(), network.layers.rows()[counted.front()].name, counted.size() - 1,
         network.layers.rows()[counted.back()].name);
  }
  std::fill(selection.unfrozen.begin() + static_cast<std::ptrdiff_t>(counted[index]), selection.unfrozen.end(), true);
}

void select_by_name(const Network& network, std::string_view pattern, Selection& selection) {
  if (pattern.empty()) fail(ErrorKind::usage, "[unfreeze] 'glob:' needs a pattern of layer names, e.g. 'glob:conv5_*'");
  const Rows& rows = network.layers.rows();
  bool any = false;
  bool weighted = false;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size() && !rows[i].head; ++i) {
    names.push_back(rows[i].name);
    if (!matches_glob(pattern, rows[i].name)) continue;
    selection.unfrozen[i] = true;
    any = true;
    weighted = weighted || !rows[i].parameters.empty();
  }
  if (!any) {
    fail(ErrorKind::usage, "[unfreeze] 'glob:{}' matches none of the {} layers of {}, '{}' to '{}'{}", pattern,
         names.size(), network.id, names.front(), names.back(), did_you_mean(pattern, names));
  }
  if (!weighted) {
    fail(ErrorKind::usage,
         "[unfreeze] 'glob:{}' matches only layers without weights in {}, so nothing would train; name convolutions or "
         "norms ('thaw describe {}' lists them)",
         pattern, network.id, network.id);
  }
}

/// Adds one term's rows to the selection and returns its text in plain form.
std::string select_term(const Network& network, std::string_view term, const SelectorOptions& options,
                        Selection& selection) {
  const std::size_t colon = term.find(':');
  const std::string_view kind = term.substr(0, colon);
  const std::string_view argument = colon == std::string_view::npos ? "" : term.substr(colon + 1);
  if (colon == std::string_view::npos && kind == "none") return "none";
  if (colon == std::string_view::npos && kind == "all") {
    selection.unfrozen.assign(selection.unfrozen.size(), true);
    return "all";
  }
  if (kind == "blocks") {
    const std::size_t count = parse_count(argument, term);
    select_blocks(network, count, options, selection);
    return fmt::format("blocks:{}", count);
  }
  if (kind == "layer") {
    const std::size_t index = parse_count(argument, term);
    select_from_layer(network, index, term, options, selection);
    return fmt::format("layer:{}", index);
  }
  if (kind == "glob") {
    select_by_name(network, argument, selection);
    return std::string(term);
  }
  fail(ErrorKind::usage, "[unfreeze] '{}' is no selector: use {}{}", term, kForms,
       did_you_mean(kind, {"none", "all", "blocks", "layer", "glob"}));
}

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  while (true) {
    const std::size_t plus = text.find('+');
    std::string_view term = text.substr(0, plus);
    while (term.starts_with(' ')) term.remove_prefix(1);
    while (term.ends_with(' ')) term.remove_suffix(1);
    terms.push_back(term);
    if (plus == std::string_view::npos) return terms;
    text.remove_prefix(plus + 1);
  }
}

}  // namespace

std::vector<std::size_t> counted_rows(const Network& network, const SelectorOptions& options) {
  std::vector<std::size_t> counted;
  const Rows& rows = network.layers.rows();
  for (std::size_t i = 0; i < rows.size() && !rows[i].head; ++i) {
    if (options.keras_rescaling || rows[i].type != "Rescaling") counted.push_back(i);
  }
  return counted;
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  // Greedy with one point to return to: the last `*` and how much of the text it had taken.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Selection select_layers(const Network& network, std::string_view text, const SelectorOptions& options) {
  const Rows& rows = network.layers.rows();
  Selection selection;
  std::transform(rows.begin(), rows.end(), std::back_inserter(selection.unfrozen),
                 [](const LayerInfo& row) { return row.head; });
  std::vector<std::string> terms;
  for (const std::string_view term : split_terms(text)) {
    if (term.empty()) fail(ErrorKind::usage, "[unfreeze] an empty selector in '{}': use {}", text, kForms);
    terms.push_back(select_term(network, term, options, selection));
  }
  selection.text = fmt::format("{}", fmt::join(terms, "+"));
  return selection;
}

void apply_selection(Network& network, const Selection& selection, NormMode mode) {
  const Rows& rows = network.layers.rows();
  if (selection.unfrozen.size() != rows.size()) {
    fail(ErrorKind::usage, "[unfreeze] the selection '{}' has {} layers, {} has {}: select from the network itself",
         selection.text, selection.unfrozen.size(), network.id, rows.size());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool norm_stays = mode == NormMode::frozen_affine && rows[i].type == "BatchNormalization";
    for (Parameter* parameter : rows[i].parameters) {
      if (parameter->kind() == ParameterKind::weight) parameter->set_frozen(!selection.unfrozen[i] || norm_stays);
    }
  }
  network.set_norm_mode(mode);
}

}  // namespace thaw
