#include "grid/report_text.h"

#include <fmt/format.h>

#include <cmath>

namespace thaw::grid {

std::string model_name(const std::string& id) {
  if (id == "resnet50") return "ResNet50";
  if (id == "mobilenet_v3_large") return "MobileNetV3-Large";
  if (id == "mobilenet_v3_small") return "MobileNetV3-Small";
  return id.empty() ? "unnamed model" : id;
}

const char* name_of(Strategy strategy) {
  switch (strategy) {
    case Strategy::frozen: return "frozen";
    case Strategy::blocks: return "blocks";
    case Strategy::layers: return "layers";
    case Strategy::everything: return "everything";
    case Strategy::other: return "other";
  }
  return "";
}

std::string unfrozen_text(const ReportRow& row) {
  switch (row.strategy) {
    case Strategy::frozen: return "the base frozen";
    case Strategy::blocks:
      return *row.value == 1 ? "the last block unfrozen" : fmt::format("the last {} blocks unfrozen", *row.value);
    case Strategy::layers: return fmt::format("all from layer {} on unfrozen", *row.value);
    case Strategy::everything: return "everything unfrozen";
    case Strategy::other: break;
  }
  return row.unfreeze + " unfrozen";
}

std::string unfrozen_label(const ReportRow& row) {
  switch (row.strategy) {
    case Strategy::frozen: return "frozen";
    case Strategy::blocks: return plural(*row.value, "block");
    case Strategy::layers: return fmt::format("from layer {}", *row.value);
    case Strategy::everything: return "everything";
    case Strategy::other: break;
  }
  return row.unfreeze;
}

const char* hyperparameter_of(Strategy strategy) {
  if (strategy == Strategy::blocks) return "blocks_to_unfreeze";
  return strategy == Strategy::layers ? "unfreeze_from_layer" : "";
}

std::string decimals(double value, int digits) {
  std::string text = fmt::format("{:.{}f}", value, digits);
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  return zero && text[0] == '-' ? text.substr(1) : text;
}

std::string signed_text(double value, int digits) {
  const std::string size = decimals(std::abs(value), digits);
  if (size.find_first_of("123456789") == std::string::npos) return size;
  return (value < 0 ? "−" : "+") + size;
}

std::string spread_text(const std::optional<Spread>& spread, int digits, const char* absent) {
  if (!spread) return absent;
  const std::string mean = decimals(spread->mean, digits);
  return spread->sd ? mean + " ± " + decimals(*spread->sd, digits) : mean;
}

std::string seconds_text(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  if (seconds > 1e12) return fmt::format("{:.3g} s", seconds);
  const std::int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string count_text(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string plural(std::int64_t count, const std::string& noun) {
  return count_text(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string list_text(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " and " : ", ";
    text += items[i];
  }
  return text;
}

std::string value_text(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.is_structured() ? "…" : value.dump();
}

std::string state_text(const ReportRow& row) {
  if (row.seeds.size() == 1) return name_of(row.states.begin()->first);
  std::string text;
  for (const State state : {State::finished, State::failed, State::half_done, State::waiting}) {
    const auto at = row.states.find(state);
    if (at == row.states.end()) continue;
    const bool all = at->second == static_cast<int>(row.seeds.size());
    text += (text.empty() ? "" : ", ") + fmt::format("{}{}", all ? "" : fmt::format("{} ", at->second), name_of(state));
  }
  return text;
}

}  // namespace thaw::grid
